#pragma once

#include <caf/mailbox_element.hpp>
#include <caf/message.hpp>

#include <string>

#include "troupe/payload.hpp"

namespace troupe::bridge {

/// What CAF carries, as a payload. Borrows it.
/// @throws unknown_type when a value's type can't travel.
payload_source source_of(const caf::type_erased_tuple& content);

struct unknown_type : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A payload as CAF takes it. @throws codec::malformed, wrong_schema, kj::Exception.
caf::mailbox_element_ptr element_of(const payload_view& payload, caf::strong_actor_ptr sender,
                                    caf::message_id id,
                                    caf::mailbox_element::forwarding_stack stages);
caf::message message_of(const payload_view& payload);
caf::error error_of(const payload_view& payload);

/// Whether it tells of an actor's end: lost with its receiver, it is no loss.
bool is_notice(const caf::type_erased_tuple& content);
bool is_notice(const caf::message& content);

/// A payload on its way through this process, to be written once more. Borrows it.
payload_source source_of(const payload_view& payload);

}  // namespace troupe::bridge
