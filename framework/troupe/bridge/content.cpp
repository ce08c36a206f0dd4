#include "troupe/bridge/content.hpp"

#include <caf/atom.hpp>
#include <caf/duration.hpp>
#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>
#include <caf/system_messages.hpp>
#include <caf/timespan.hpp>
#include <caf/timestamp.hpp>

#include <array>
#include <cstring>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "troupe/error.hpp"
#include "troupe/message_types.hpp"
#include "troupe/os/code_address.hpp"

namespace troupe {

using detail::message_type;

namespace {

using tag = std::uint64_t;

tag hash(const void* bytes, std::size_t count, tag seed = 0xcbf29ce484222325) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  for (std::size_t i = 0; i < count; ++i) seed = (seed ^ at[i]) * 0x100000001b3;
  return seed;
}

/// CAF's own types go by their names; all others by the place of their code in the program, which
/// two types never share, whatever they are called.
tag tag_of(const message_type& type) {
  if (type.name != nullptr) return hash(type.name, std::strlen(type.name));
  if (type.schema_id != 0) return type.schema_id;
  return 0;
}

std::vector<const message_type*>& announced() {
  static auto& all = *new std::vector<const message_type*>;
  return all;
}

template <class T>
const message_type& named(const char* name) {
  static const message_type type = detail::message_type_of<T>(name);
  return type;
}

class type_table {
public:
  struct entry {
    const message_type* type = nullptr;
    tag wire = 0;
  };

  /// Never destroyed: the loop may still run while `exit` destroys what is static.
  static const type_table& get() {
    static const auto& table = *new type_table;
    return table;
  }

  [[nodiscard]] const entry* find(const caf::rtti_pair& of) const {
    if (of.first != 0) {
      const entry& e = builtin_[of.first % builtin_.size()];
      return e.type != nullptr ? &e : nullptr;
    }
    if (of.second == last_info_) return last_entry_;
    const auto found = by_info_.find(std::type_index{*of.second});
    if (found != by_info_.end()) {
      last_info_ = of.second;
      last_entry_ = &found->second;
    }
    return found != by_info_.end() ? &found->second : nullptr;
  }
  [[nodiscard]] const message_type* find(tag wire) const {
    if (wire == last_tag_) return last_type_;
    const auto found = by_tag_.find(wire);
    if (found == by_tag_.end()) return nullptr;
    last_tag_ = wire;
    last_type_ = found->second;
    return found->second;
  }

private:
  type_table() {
    add(named<caf::actor>("actor"));
    add(named<caf::actor_addr>("address"));
    add(named<caf::strong_actor_ptr>("actor pointer"));
    add(named<std::vector<caf::actor>>("actors"));
    add(named<caf::atom_value>("atom"));
    add(named<std::vector<char>>("bytes"));
    add(named<caf::down_msg>("down"));
    add(named<caf::duration>("duration"));
    add(named<caf::error>("error"));
    add(named<caf::exit_msg>("exit"));
    add(named<std::int8_t>("i8"));
    add(named<std::int16_t>("i16"));
    add(named<std::int32_t>("i32"));
    add(named<std::int64_t>("i64"));
    add(named<std::uint8_t>("u8"));
    add(named<std::uint16_t>("u16"));
    add(named<std::uint32_t>("u32"));
    add(named<std::uint64_t>("u64"));
    add(named<float>("f32"));
    add(named<double>("f64"));
    add(named<long double>("long double"));
    add(named<bool>("bool"));
    add(named<caf::message>("message"));
    add(named<std::string>("string"));
    add(named<std::u16string>("string16"));
    add(named<std::u32string>("string32"));
    add(named<std::vector<std::string>>("strings"));
    add(named<std::set<std::string>>("string set"));
    add(named<std::map<std::string, std::string>>("string map"));
    add(named<caf::timespan>("timespan"));
    add(named<caf::timestamp>("timestamp"));
    add(named<caf::unit_t>("unit"));
    add(named<std::shared_ptr<const exit_report>>("exit report"));
    for (const message_type* type : announced()) add(*type);
  }

  void add(const message_type& type) {
    entry e{&type, tag_of(type)};
    if (e.wire == 0) {
      const auto place = os::locate(reinterpret_cast<const void*>(type.append));
      const std::uint64_t offset = place ? place->offset : 0;
      e.wire = hash(&offset, sizeof offset,
                    place ? hash(place->build_id.data(), place->build_id.size()) : 1);
    }
    if (type.builtin != 0) {
      builtin_[type.builtin] = e;
    } else {
      by_info_.emplace(std::type_index{*type.info}, e);
    }
    by_tag_.emplace(e.wire, &type);
  }

  std::array<entry, 64> builtin_{};
  static inline thread_local const std::type_info* last_info_ = nullptr;
  static inline thread_local const entry* last_entry_ = nullptr;
  static inline thread_local tag last_tag_ = 0;
  static inline thread_local const message_type* last_type_ = nullptr;
  std::unordered_map<std::type_index, entry> by_info_;
  std::unordered_map<tag, const message_type*> by_tag_;
};

[[noreturn]] void throw_unknown(const caf::type_erased_tuple& content, std::size_t at) {
  const auto type = content.type(at);
  throw bridge::unknown_type{
      std::string{"a value of type "} +
      (type.second != nullptr ? type.second->name() : "CAF's own") +
      " can't be sent to another process: name the type in program::with, or in the signature of a "
      "typed actor"};
}

const type_table::entry& entry_of(const caf::type_erased_tuple& content, std::size_t at) {
  const auto* const found = type_table::get().find(content.type(at));
  if (found == nullptr) throw_unknown(content, at);
  return *found;
}

/// Plain form of a message: how many values, a tag for each, the values.
void measure(codec::measure& size, const caf::type_erased_tuple& content) {
  size.bytes += (1 + content.size()) * sizeof(tag);
  for (std::size_t i = 0; i < content.size(); ++i)
    entry_of(content, i).type->measure(content.get(i), size);
}

void write(codec::writer& to, const caf::type_erased_tuple& content) {
  const std::uint64_t count = content.size();
  to.raw(&count, sizeof count);
  for (std::size_t i = 0; i < content.size(); ++i) to.raw(&entry_of(content, i).wire, sizeof(tag));
  for (std::size_t i = 0; i < content.size(); ++i)
    entry_of(content, i).type->write(content.get(i), to);
}

const message_type& type_behind(tag wire) {
  const message_type* const type = type_table::get().find(wire);
  if (type == nullptr) throw codec::malformed{"the message has a type that this program lacks"};
  return *type;
}

std::uint64_t read_count(codec::reader& from) {
  std::uint64_t count = 0;
  from.raw(&count, sizeof count);
  if (count > from.rest.size() / sizeof(tag))
    throw codec::malformed{"the message is shorter than it says"};
  return count;
}

caf::message read(codec::reader& from) {
  const std::uint64_t count = read_count(from);
  if (count == 0) return {};
  std::vector<const message_type*> types;
  for (std::uint64_t i = 0; i < count; ++i) {
    tag wire = 0;
    from.raw(&wire, sizeof wire);
    types.push_back(&type_behind(wire));
  }
  caf::message_builder builder;
  for (const message_type* type : types) type->append(from, builder);
  return builder.move_to_message();
}

void require_end(const codec::reader& from) {
  if (!from.rest.empty()) throw codec::malformed{"the message is longer than its types need"};
}

}  // namespace

bool detail::add_message_type(const message_type& type) {
  announced().push_back(&type);
  return true;
}

void detail::measure_message(codec::measure& size, const caf::message& what) {
  if (what.empty()) {
    size.bytes += sizeof(tag);
  } else {
    measure(size, what.content());
  }
}
void detail::write_message(codec::writer& to, const caf::message& what) {
  if (what.empty()) {  // CAF has no tuple for it
    const std::uint64_t none = 0;
    to.raw(&none, sizeof none);
  } else {
    write(to, what.content());
  }
}
caf::message detail::read_message(codec::reader& from) {
  return read(from);
}

namespace {

constexpr unsigned codes = 256;

template <class Enum>
std::uint8_t named_code(const std::string& name) {
  for (unsigned code = 0; code < codes; ++code)
    if (name == to_string(static_cast<Enum>(code))) return static_cast<std::uint8_t>(code);
  throw codec::malformed{"the message has an error that this program lacks: " + name};
}

}  // namespace

std::string detail::name_of_code(const caf::error& error) {
  if (error.category() == caf::atom("system"))
    return to_string(static_cast<caf::sec>(error.code()));
  if (error.category() == caf::atom("exit"))
    return to_string(static_cast<caf::exit_reason>(error.code()));
  if (error.category() == caf::atom("troupe"))
    return std::string{to_string(static_cast<errc>(error.code()))};
  return std::to_string(error.code());
}

std::uint8_t detail::code_of_name(caf::atom_value category, const std::string& name) {
  if (category == caf::atom("system")) return named_code<caf::sec>(name);
  if (category == caf::atom("exit")) return named_code<caf::exit_reason>(name);
  if (category == caf::atom("troupe")) return named_code<errc>(name);
  return static_cast<std::uint8_t>(std::strtoul(name.c_str(), nullptr, 10));
}

namespace bridge {

payload_source source_of(const caf::type_erased_tuple& content) {
  payload_source source;
  const std::size_t count = content.size();
  if (count == 0) return source;
  if (count == 1) {
    const message_type& type = *entry_of(content, 0).type;
    if (type.source != nullptr) return type.source(content.get(0));
  }
  codec::measure size;
  measure(size, content);
  source.plain_bytes = size.bytes;
  source.value = &content;
  source.write = [](const void* value, std::byte* to) {
    codec::writer out{to};
    write(out, *static_cast<const caf::type_erased_tuple*>(value));
  };
  return source;
}

caf::mailbox_element_ptr element_of(const payload_view& payload, caf::strong_actor_ptr sender,
                                    caf::message_id id,
                                    caf::mailbox_element::forwarding_stack stages) {
  if (payload.is == payload_view::kind::structure)
    return type_behind(payload.schema_id)
        .element_of(payload, std::move(sender), id, std::move(stages));
  if (payload.is == payload_view::kind::none)
    return caf::make_mailbox_element(std::move(sender), id, std::move(stages), caf::message{});
  codec::reader from{payload.plain};
  std::uint64_t head[2] = {0, 0};
  if (payload.plain.size() >= sizeof head) std::memcpy(head, payload.plain.data(), sizeof head);
  if (head[0] == 1) {
    from.take(sizeof head);
    auto element = type_behind(head[1]).element(from, std::move(sender), id, std::move(stages));
    require_end(from);
    return element;
  }
  caf::message content = read(from);
  require_end(from);
  return caf::make_mailbox_element(std::move(sender), id, std::move(stages), std::move(content));
}

caf::message message_of(const payload_view& payload) {
  return element_of(payload, nullptr, caf::make_message_id(), {})->move_content_to_message();
}

caf::error error_of(const payload_view& payload) {
  const caf::message content = message_of(payload);
  return content.match_elements<caf::error>() ? content.get_as<caf::error>(0) : caf::error{};
}

bool is_notice(const caf::type_erased_tuple& content) {
  return content.match_elements<caf::exit_msg>() || content.match_elements<caf::down_msg>();
}
bool is_notice(const caf::message& content) {
  return !content.empty() && is_notice(content.content());
}

payload_source source_of(const payload_view& payload) {
  payload_source source;
  if (payload.is == payload_view::kind::structure) {
    source.schema_id = payload.schema_id;
    source.segment = payload.segment;
    if (payload.segment.empty()) source.structure = payload.structure.getAs<capnp::AnyStruct>();
  } else if (payload.is == payload_view::kind::plain) {
    source.plain_bytes = payload.plain.size();
    source.value = &payload.plain;
    source.write = [](const void* value, std::byte* to) {
      const auto& bytes = *static_cast<const std::span<const std::byte>*>(value);
      if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    };
  }
  return source;
}

}  // namespace bridge
}  // namespace troupe
