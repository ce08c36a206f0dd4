#pragma once

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/actor_cast.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/detail/type_list.hpp>
#include <caf/error.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message.hpp>
#include <caf/message_builder.hpp>
#include <caf/system_messages.hpp>
#include <caf/type_id.hpp>
#include <caf/type_nr.hpp>
#include <caf/typed_actor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <typeinfo>

#include "troupe/address.hpp"
#include "troupe/codec.hpp"
#include "troupe/exit_report.hpp"

/// How the values of a CAF message travel. A message names its types, since a dynamically typed
/// actor may get any: a type is known to a program when the compiler saw it in a typed actor, as a
/// `msg<T>`, or in `program::with`. Both ends are the same program, so both know the same types.
namespace troupe::detail {

/// What a message needs of one type.
struct message_type {
  const std::type_info* info = nullptr;
  std::uint16_t builtin = 0;    ///< CAF's number in this process, else 0
  std::uint64_t schema_id = 0;  ///< of a msg<T>, which travels as that struct when it is alone
  const char* name = nullptr;   ///< of CAF's own types; others go by where this lies in the program

  void (*measure)(const void* value, codec::measure& size) = nullptr;
  void (*write)(const void* value, codec::writer& to) = nullptr;
  void (*append)(codec::reader& from, caf::message_builder& to) = nullptr;
  caf::mailbox_element_ptr (*element)(codec::reader& from, caf::strong_actor_ptr&& sender,
                                      caf::message_id id,
                                      caf::mailbox_element::forwarding_stack&& stages) = nullptr;
  payload_source (*source)(const void* value) = nullptr;
  caf::mailbox_element_ptr (*element_of)(const payload_view& from, caf::strong_actor_ptr&& sender,
                                         caf::message_id id,
                                         caf::mailbox_element::forwarding_stack&& stages) = nullptr;
};

/// Called before `main`, in every process.
bool add_message_type(const message_type& type);

template <class T>
message_type message_type_of(const char* name = nullptr) {
  using stages = caf::mailbox_element::forwarding_stack;
  message_type type;
  type.info = &typeid(T);
  type.builtin = caf::type_nr<T>::value;
  type.name = name;
  type.measure = [](const void* value, codec::measure& size) {
    codec::apply(size, *static_cast<T*>(const_cast<void*>(value)));
  };
  type.write = [](const void* value, codec::writer& to) {
    codec::apply(to, *static_cast<T*>(const_cast<void*>(value)));
  };
  type.append = [](codec::reader& from, caf::message_builder& to) {
    T value{};
    codec::apply(from, value);
    to.append(std::move(value));
  };
  type.element = [](codec::reader& from, caf::strong_actor_ptr&& sender, caf::message_id id,
                    stages&& next) {
    T value{};
    codec::apply(from, value);
    return caf::make_mailbox_element(std::move(sender), id, std::move(next), std::move(value));
  };
  if constexpr (codec::detail::is_msg<T>) {
    type.schema_id = T::schema_id();
    type.source = [](const void* value) { return codec::source_of(*static_cast<const T*>(value)); };
    type.element_of = [](const payload_view& from, caf::strong_actor_ptr&& sender,
                         caf::message_id id, stages&& next) {
      return caf::make_mailbox_element(std::move(sender), id, std::move(next),
                                       T::from_payload(from));
    };
  }
  return type;
}

/// Naming `known_type<T>::done` makes T known.
template <class T>
struct known_type {
  static const message_type entry;
  static const bool done;
};
template <class T>
const message_type known_type<T>::entry = message_type_of<T>();
template <class T>
const bool known_type<T>::done = add_message_type(entry);

/// Atoms travel as what they are in a message: CAF's atom_value.
template <class T>
constexpr bool needs_no_name = caf::type_nr<T>::value != 0 || std::is_void_v<T>;

template <class T>
void know() {
  if constexpr (!needs_no_name<T>) static_cast<void>(&known_type<T>::done);
}

template <class Block, caf::type_id_t... Offsets>
void know_block(std::integer_sequence<caf::type_id_t, Offsets...>) {
  (know<typename caf::type_by_id<Block::begin + Offsets>::type>(), ...);
}
/// A type, or all of one of CAF's blocks.
template <class T>
void know_named() {
  if constexpr (requires { T::begin + T::end; } && std::is_empty_v<T>) {
    know_block<T>(std::make_integer_sequence<caf::type_id_t, T::end - T::begin>{});
  } else {
    know<T>();
  }
}

/// The types of one typed actor's messages and answers.
template <class Signature>
struct signature_types;
template <class... In, class... Out>
struct signature_types<caf::typed_mpi<caf::detail::type_list<In...>, caf::output_tuple<Out...>>> {
  static void know_all() { (know<In>(), ..., (know<Out>(), ...)); }
};

template <class Handle>
struct handle_types {
  static void know_all() {}
};
template <class... Signatures>
struct handle_types<caf::typed_actor<Signatures...>> {
  static void know_all() { (signature_types<Signatures>::know_all(), ...); }
};

/// Where an actor lives; makes it known to the other processes. Any thread that owns the loop.
address address_of(const caf::strong_actor_ptr& actor);
/// The actor that lives there: this process's own, or a proxy.
caf::strong_actor_ptr actor_at(const address& where);
/// The same for weak handles, whose actor may be gone.
std::optional<address> last_address_of(const caf::actor_addr& actor);
caf::actor_addr weak_actor_at(const address& where);

void measure_message(codec::measure& size, const caf::message& what);
void write_message(codec::writer& to, const caf::message& what);
caf::message read_message(codec::reader& from);
/// A code travels by its name, never by its number in this version of CAF.
std::string name_of_code(const caf::error& error);
std::uint8_t code_of_name(caf::atom_value category, const std::string& name);

}  // namespace troupe::detail

namespace troupe::codec {

template <>
struct by_hand<address> {
  template <class Archive>
  static void apply(Archive& archive, address& value) {
    codec::apply(archive, value.path);
    codec::apply(archive, value.number);
    codec::apply(archive, value.incarnation_high);
    codec::apply(archive, value.incarnation_low);
  }
};

template <>
struct by_hand<caf::strong_actor_ptr> {
  template <class Archive>
  static void apply(Archive& archive, caf::strong_actor_ptr& value) {
    bool there = value != nullptr;
    codec::apply(archive, there);
    if constexpr (Archive::loads) {
      address where;
      if (there) codec::apply(archive, where);
      value = there ? troupe::detail::actor_at(where) : nullptr;
    } else if (there) {
      address where = troupe::detail::address_of(value);
      codec::apply(archive, where);
    }
  }
};

template <>
struct by_hand<caf::actor_addr> {
  template <class Archive>
  static void apply(Archive& archive, caf::actor_addr& value) {
    std::optional<address> where;
    if constexpr (!Archive::loads)
      if (value) where = troupe::detail::last_address_of(value);
    codec::apply(archive, where);
    if constexpr (Archive::loads)
      value = where ? troupe::detail::weak_actor_at(*where) : caf::actor_addr{};
  }
};

template <class T>
concept actor_handle = caf::is_handle<T>::value;

template <actor_handle T>
struct by_hand<T> {
  template <class Archive>
  static void apply(Archive& archive, T& value) {
    auto pointer = caf::actor_cast<caf::strong_actor_ptr>(value);
    codec::apply(archive, pointer);
    if constexpr (Archive::loads) value = caf::actor_cast<T>(pointer);
  }
};

template <>
struct by_hand<caf::message> {
  static void apply(measure& size, caf::message& value) {
    troupe::detail::measure_message(size, value);
  }
  static void apply(writer& to, caf::message& value) { troupe::detail::write_message(to, value); }
  static void apply(reader& from, caf::message& value) {
    value = troupe::detail::read_message(from);
  }
};

template <>
struct by_hand<caf::error> {
  template <class Archive>
  static void apply(Archive& archive, caf::error& value) {
    bool there = static_cast<bool>(value);
    codec::apply(archive, there);
    if (!there) {
      value = caf::error{};
      return;
    }
    caf::atom_value category{};
    if constexpr (!Archive::loads) category = value.category();
    codec::apply(archive, category);
    std::string name;
    if constexpr (!Archive::loads) name = troupe::detail::name_of_code(value);
    codec::apply(archive, name);
    caf::message context;
    if constexpr (!Archive::loads) context = value.context();
    codec::apply(archive, context);
    if constexpr (Archive::loads)
      value = caf::error{troupe::detail::code_of_name(category, name), category, context};
  }
};

template <>
struct by_hand<caf::down_msg> {
  template <class Archive>
  static void apply(Archive& archive, caf::down_msg& value) {
    codec::apply(archive, value.source);
    codec::apply(archive, value.reason);
  }
};

template <>
struct by_hand<caf::exit_msg> {
  template <class Archive>
  static void apply(Archive& archive, caf::exit_msg& value) {
    codec::apply(archive, value.source);
    codec::apply(archive, value.reason);
  }
};

template <>
struct by_hand<std::shared_ptr<const exit_report>> {
  template <class Archive>
  static void apply(Archive& archive, std::shared_ptr<const exit_report>& value) {
    bool there = value != nullptr;
    codec::apply(archive, there);
    if (!there) return;
    exit_report report;
    if constexpr (!Archive::loads) report = *value;
    codec::apply(archive, report.pid);
    codec::apply(archive, report.role);
    codec::apply(archive, report.cause);
    codec::apply(archive, report.exit_code);
    codec::apply(archive, report.signal);
    codec::apply(archive, report.core_dumped);
    codec::apply(archive, report.maybe_out_of_memory);
    codec::apply(archive, report.stack_overflow);
    codec::apply(archive, report.user_time);
    codec::apply(archive, report.system_time);
    codec::apply(archive, report.max_rss_kib);
    codec::apply(archive, report.last_message);
    codec::apply(archive, report.in_progress);
    codec::apply(archive, report.stderr_tail);
    codec::apply(archive, report.detail);
    if constexpr (Archive::loads) value = std::make_shared<const exit_report>(std::move(report));
  }
};

template <>
struct by_hand<caf::unit_t> {
  template <class Archive>
  static void apply(Archive&, caf::unit_t&) {}
};

}  // namespace troupe::codec

/// CAF's own serializer never sees a msg<T>: it travels as the struct it is.
template <class T>
struct caf::allowed_unsafe_message_type<troupe::msg<T>> : std::true_type {};
