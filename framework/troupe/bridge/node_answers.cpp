// Answers: those that come back to what this process has asked, and those that it gives.
#include <kj/exception.h>
#include <caf/sec.hpp>

#include "troupe/bridge/content.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/bridge/proxy.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/uplink.hpp"

namespace troupe::bridge {

// --- that come back ---

std::uint64_t node::remember(asked what) {
  if (free_.empty()) {
    free_.push_back(asked_.size());
    asked_.emplace_back();
  }
  const std::uint64_t tag = free_.back();
  free_.pop_back();
  asked_[tag] = std::move(what);
  return tag;
}

node::asked node::release(std::uint64_t tag) {
  free_.push_back(tag);
  return std::exchange(asked_[tag], {});
}

void node::give(asked& request, const payload_view& answer) {
  if (!request.stages.empty()) {
    const caf::strong_actor_ptr next = std::move(request.stages.back());
    request.stages.pop_back();
    next->enqueue(element_of(answer, request.sender, request.id, request.stages), &unit_);
  } else if (request.sender) {
    clock().cancel_request_timeout(request.sender->get(), request.id.response_id());
    request.sender->enqueue(element_of(answer, request.to, request.id.response_id(), {}), &unit_);
  }
}

void node::give_message(asked& request, const caf::message& content) {
  if (!request.stages.empty()) {
    const caf::strong_actor_ptr next = std::move(request.stages.back());
    request.stages.pop_back();
    next->enqueue(caf::make_mailbox_element(request.sender, request.id, request.stages, content),
                  &unit_);
  } else if (request.sender) {
    clock().cancel_request_timeout(request.sender->get(), request.id.response_id());
    request.sender->enqueue(
        caf::make_mailbox_element(request.to, request.id.response_id(), {}, content), &unit_);
  }
}

void node::answered(std::uint64_t tag, const payload_view& answer) {
  const passage inside;  // a composed actor's next stage may be full
  asked request = release(tag);
  switch (request.is) {
    case asked::kind::request:
      try {
        give(request, answer);
      } catch (const std::exception& e) {
        give_error(request, make_error(errc::bad_message, e.what()));
        throw;  // its sender is to blame
      }
      break;
    case asked::kind::watch:
      keep(request.sender);  // who is told of its end has a weak handle
      end_watch(static_cast<proxy&>(*request.sender->get()), error_of(answer));
      break;
    case asked::kind::relay:
      if (engine::peer* const back = peer_at(request.from))
        back->answer(request.number, source_of(answer));
      break;
    case asked::kind::start:
      if (child_owner* const owner = owner_of(request.from)) owner->on_ready(request.from);
      break;
    case asked::kind::free:
      break;
  }
}

void node::failed(std::uint64_t tag, const engine::failure& why) {
  const passage inside;
  asked request = release(tag);
  const caf::error error = make_error(why.code, why.text, why.report);
  // Of what a process that ended never began: it may have been on its way to one who comes back.
  const auto passed = [&](place through, const address& receiver) {
    const auto found = children_.find(through);
    if (found == children_.end() || why.report == nullptr || !comes_back(receiver)) return error;
    if (why.code == errc::stopped && found->second.reason) return being_restarted();
    if (why.code != errc::start_failed) return error;
    return make_error(errc::not_started,
                      why.report->sentence() +
                          "; this request was on its way through that process, which is started "
                          "again: repeating it is safe",
                      why.report);
  };
  const auto relayed = [&] {
    if (why.frame.empty()) return error;
    const auto& message = again_.read(why.frame);
    if (!message.has_receiver()) return error;
    return passed(request.via, wire::address_of(message.envelope->getContext().getReceiver()));
  };
  switch (request.is) {
    case asked::kind::request: {
      const auto found = children_.find(request.from);
      if (request.by_route && !why.frame.empty() && why.code != errc::worker_lost &&
          found != children_.end() && found->second.owner != nullptr) {
        try {
          const auto& message = again_.read(why.frame);
          found->second.owner->give_back(request.from, element_of(message.payload, request.sender,
                                                                  request.id, request.stages));
        } catch (const std::exception& e) {  // of the code that reads a type
          give_error(request, make_error(errc::bad_message,
                                         why.text +
                                             "; it can't go to the next process, as this one can't "
                                             "read it: " +
                                             e.what()));
        }
        break;
      }
      // An actor that ended in good order leaves its requests as one of CAF does; those of others
      // were only on their way through its process.
      const bool was_for_it = found != children_.end() && found->second.reason.has_value() &&
                              (request.by_route || request.to == found->second.proxy);
      const auto* const to = dynamic_cast<const proxy*>(request.to->get());
      give_error(request, was_for_it      ? caf::make_error(caf::sec::request_receiver_down)
                          : to != nullptr ? passed(request.from, to->where())
                                          : error);
      break;
    }
    case asked::kind::watch:
      keep(request.sender);
      end_watch(static_cast<proxy&>(*request.sender->get()), ended_on_the_way(request, error));
      break;
    case asked::kind::relay:
      answer_with(request.from, request.number,
                  request.is_watch ? ended_on_the_way(request, error) : relayed());
      break;
    case asked::kind::start:  // a process that died says so by itself
      if (child_owner* const owner = owner_of(request.from); owner != nullptr && !why.report)
        owner->on_not_started(request.from, error);
      break;
    case asked::kind::free:
      break;
  }
}

// --- that are given ---

void node::answer_with(place to, std::uint64_t number, const caf::error& what) {
  const caf::message content = caf::make_message(what);
  if (engine::peer* const back = peer_at(to)) back->answer(number, source_of(content.content()));
}

std::optional<node::inbound> node::close(std::uint64_t request) {
  if (request != 0 && in_hand_.request == request) {
    in_hand_.request = 0;
    return in_hand_.from;
  }
  const auto found = inbound_.find(request);
  if (found == inbound_.end()) return std::nullopt;
  const inbound where = found->second;
  inbound_.erase(found);
  return where;
}

void node::respond(std::uint64_t request, caf::mailbox_element_ptr what) {
  if (const turn mine{*this}) {
    answer(request, what->content());
    return;
  }
  auto shared = std::make_shared<caf::mailbox_element_ptr>(std::move(what));
  post([this, request, shared] { answer(request, (*shared)->content()); });
}

void node::answer(std::uint64_t request, const caf::type_erased_tuple& content) {
  const auto where = close(request);
  if (!where) return;
  engine::peer* const back = peer_at(where->from);
  if (back == nullptr) return;
  const auto fail = [&](const std::string& why) {
    answer_with(where->from, where->number, make_error(errc::bad_message, why));
  };
  try {
    back->answer(where->number, source_of(content));
  } catch (const unknown_type& e) {
    fail(e.what());
  } catch (const std::exception& e) {  // of the code that writes a type
    fail(std::string{"the answer can't be written: "} + e.what());
  } catch (const kj::Exception& e) {
    fail(std::string{"the answer can't be written: "} + e.getDescription().cStr());
  }
}

void node::broken_promise(std::uint64_t request) {
  const auto where = close(request);
  if (!where) return;
  answer_with(where->from, where->number,
              make_error(errc::unanswered,
                         "the actor has handled this request and dropped its promise: no answer "
                         "will come"));
}

}  // namespace troupe::bridge
