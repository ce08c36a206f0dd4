#pragma once

#include <troupe/envelope.capnp.h>

#include "troupe/message_types.hpp"

/// Handles of actors as fields of schema messages. In the schema:
///
///     using Troupe = import "/troupe/envelope.capnp";
///     struct Job { worker @0 :Troupe.Address; }
///
/// Runs in: a handler, or the main thread.
namespace troupe {

namespace detail {
void set_handle(schema::Address::Builder to, const caf::strong_actor_ptr& actor);
caf::strong_actor_ptr get_handle(schema::Address::Reader from);
}  // namespace detail

/// `write_handle(m.initWorker(), worker)`; a null handle leaves the field as it is.
template <class Handle>
void write_handle(schema::Address::Builder to, const Handle& actor) {
  detail::set_handle(to, caf::actor_cast<caf::strong_actor_ptr>(actor));
}

/// `read_handle(m->getWorker())`: the actor that lives there, whichever process this is; null for a
/// field that was never set.
template <class Handle = caf::actor>
Handle read_handle(schema::Address::Reader from) {
  return caf::actor_cast<Handle>(detail::get_handle(from));
}

}  // namespace troupe
