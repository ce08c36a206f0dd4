#pragma once

// The only file that asks which CAF this is. 0.17.6 is what Troupe is built and tested with; a
// later line differs in the names below and in what is said beside them.

#include <caf/config.hpp>

#include <caf/actor_proxy.hpp>
#include <caf/execution_unit.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/message_id.hpp>

// CAF_VERSION itself is broken in 1.0 and 1.1.
#if CAF_MAJOR_VERSION * 10000 + CAF_MINOR_VERSION * 100 + CAF_PATCH_VERSION >= 1800
#error "Troupe is made for CAF 0.17.6: later ones have another scheduler, error and message"
#endif

namespace troupe::bridge {

using context = caf::execution_unit;  // caf::scheduler from 1.0 on

/// An id of CAF's for a request that came from another process.
inline caf::message_id request_id(std::uint64_t number, bool urgent) {
  const caf::message_id id{number};
  return urgent ? id.with_high_priority() : id.with_normal_priority();
}
inline caf::message_id tell_id(bool urgent) {
  return caf::make_message_id(urgent ? caf::message_priority::high : caf::message_priority::normal);
}

}  // namespace troupe::bridge
