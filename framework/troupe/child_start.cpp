#include "troupe/child_start.hpp"

#include <cstring>

#include "troupe/bridge/supervision_messages.hpp"
#include "troupe/message.hpp"
#include "troupe/os/code_address.hpp"
#include "troupe/policy/spec.hpp"

namespace troupe::detail {

stored_payload::stored_payload(const payload_source& what) : schema_id_(what.schema_id) {
  if (what.write != nullptr) {
    bytes_.resize(what.plain_bytes);
    what.write(what.value, bytes_.data());
  } else if (!what.segment.empty()) {
    bytes_.assign(what.segment.begin(), what.segment.end());
  } else if (what.schema_id != 0) {
    capnp::MallocMessageBuilder builder;
    builder.setRoot(what.structure);
    const auto words = message_words::copy_of(builder);
    bytes_.assign(words.segment().begin(), words.segment().end());
  }
}

payload_source stored_payload::source() const {
  payload_source source;
  if (schema_id_ != 0) {
    source.schema_id = schema_id_;
    source.segment = bytes_;
  } else if (!bytes_.empty()) {
    source.plain_bytes = bytes_.size();
    source.value = &bytes_;
    source.write = [](const void* from, std::byte* to) {
      const auto& bytes = *static_cast<const std::vector<std::byte>*>(from);
      std::memcpy(to, bytes.data(), bytes.size());
    };
  }
  return source;
}

namespace {

enum class kind : std::uint8_t { none, role, supervisor, program };

/// Code travels as its place in this binary.
template <class Archive>
void apply_code(Archive& archive, const void*& code) {
  std::string build;
  std::uint64_t offset = 0;
  bool there = code != nullptr;
  if constexpr (!Archive::loads) {
    if (there) {
      const auto place = os::locate(code);
      if (!place) throw codec::malformed{"a function outside every loaded object can't be sent"};
      build = place->build_id;
      offset = place->offset;
    }
  }
  codec::apply_each(archive, there, build, offset);
  if constexpr (Archive::loads) {
    code = there ? os::resolve({build, offset}) : nullptr;
    if (there && code == nullptr)
      throw codec::malformed{"the spec names a function that this program does not have"};
  }
}

template <class Archive>
void apply_role(Archive& archive, engine::role& role, std::vector<std::byte>& arguments,
                std::uint64_t& schema_id) {
  auto stub = reinterpret_cast<const void*>(role.stub);
  apply_code(archive, stub);
  role.stub = reinterpret_cast<stub_function>(const_cast<void*>(stub));
  apply_code(archive, role.function);
  codec::apply_each(archive, role.name, role.once, role.actor, arguments, schema_id);
}

template <class Archive>
void apply_program(Archive& archive, program_spec& x, caf::strong_actor_ptr& lines_to) {
  codec::apply_each(archive, x.argv, x.environment, x.clean_environment, x.directory, x.ready.by,
                    x.ready.descriptor, x.ready.text, x.takes_lines, lines_to);
}

kind kind_of(const child_start* what) {
  if (dynamic_cast<const role_start*>(what) != nullptr) return kind::role;
  if (dynamic_cast<const supervisor_start*>(what) != nullptr) return kind::supervisor;
  return dynamic_cast<const program_start*>(what) != nullptr ? kind::program : kind::none;
}

template <class Archive>
std::shared_ptr<const child_start> apply_start(Archive& archive, const child_start* what) {
  const auto* const role = dynamic_cast<const role_start*>(what);
  const auto* const nested = dynamic_cast<const supervisor_start*>(what);
  const auto* const program = dynamic_cast<const program_start*>(what);
  kind is = kind_of(what);
  codec::apply(archive, is);
  if (is == kind::role) {
    engine::role copy;
    std::vector<std::byte> arguments;
    std::uint64_t schema_id = 0;
    if (role != nullptr) {
      copy = role->role;
      arguments = role->arguments.bytes();
      schema_id = role->arguments.schema_id();
    }
    apply_role(archive, copy, arguments, schema_id);
    if constexpr (Archive::loads)
      return std::make_shared<role_start>(std::move(copy),
                                          stored_payload{std::move(arguments), schema_id});
  } else if (is == kind::supervisor) {
    supervisor_spec spec;
    bool own = false;
    if (nested != nullptr) {
      spec = nested->spec;
      own = nested->own_process;
    }
    codec::apply_each(archive, spec, own);
    if constexpr (Archive::loads) return std::make_shared<supervisor_start>(std::move(spec), own);
  } else if (is == kind::program) {
    program_spec spec;
    caf::strong_actor_ptr lines_to;
    if (program != nullptr) {
      spec = program->spec;
      lines_to = program->lines_to;
    }
    apply_program(archive, spec, lines_to);
    if constexpr (Archive::loads)
      return std::make_shared<program_start>(std::move(spec), std::move(lines_to));
  }
  return nullptr;
}

}  // namespace

std::vector<std::byte> bytes_of(const child_start* what) {
  codec::measure size;
  apply_start(size, what);
  std::vector<std::byte> bytes(size.bytes);
  codec::writer to{bytes.data()};
  apply_start(to, what);
  return bytes;
}

std::shared_ptr<const child_start> start_of(std::span<const std::byte> bytes) {
  codec::reader from{bytes};
  return apply_start(from, nullptr);
}

std::vector<child_start::fault> program_start::faults(const child_spec& as) const {
  return policy::check_program(spec, as);
}

std::vector<child_start::fault> supervisor_start::faults(const child_spec& as) const {
  if (own_process) return {};
  const std::string why =
      ", because this supervisor has no process of its own; leave it out, or give it one: "
      "supervise(own_process, spec)";
  std::vector<fault> all;
  if (as.limits != process_limits{}) all.push_back({"limits", "has no effect" + why});
  if (as.watchdog) all.push_back({"watchdog", "has no effect" + why});
  return all;
}

}  // namespace troupe::detail

namespace troupe {

std::shared_ptr<const child_start> execute(program_spec program) {
  return execute(std::move(program), nullptr);
}

std::shared_ptr<const child_start> execute(program_spec program, caf::strong_actor_ptr lines_to) {
  detail::know<program_line>();  // every process of the program can read it
  return std::make_shared<detail::program_start>(std::move(program), std::move(lines_to));
}

}  // namespace troupe
