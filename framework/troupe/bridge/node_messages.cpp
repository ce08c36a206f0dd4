// Messages between the actors of this process and those of others: on their way out, in, and
// through.
#include <caf/exit_reason.hpp>
#include <caf/system_messages.hpp>

#include "troupe/bridge/answer_guard.hpp"
#include "troupe/bridge/content.hpp"
#include "troupe/bridge/node.hpp"
#include "troupe/bridge/proxy.hpp"
#include "troupe/bridge/registry.hpp"
#include "troupe/bridge/route.hpp"
#include "troupe/engine/link.hpp"
#include "troupe/engine/program_link.hpp"
#include "troupe/engine/uplink.hpp"
#include "troupe/engine/worker.hpp"

namespace troupe::bridge {

using wire::Envelope;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t request_bits = caf::message_id::request_id_mask;
constexpr std::uint64_t first_request = std::uint64_t{1} << 58;
constexpr auto lone_after = 50us;

}  // namespace

// --- out ---

void node::send(remote_actor& to, caf::mailbox_element_ptr what) {
  const bool asks_and_blocks = what->mid.is_request() && what->sender && what->sender != self_ &&
                               what->sender->get()->getf(caf::abstract_actor::is_blocking_flag);
  if (may_wait()) {
    const engine::core::guard mine{core_};
    if (has_posted_.load(std::memory_order_acquire)) run_posted();
    to.pass_on(std::move(what));
    if (!unseen_losses_.empty()) tell_losses();
  } else if (const turn mine{*this}) {
    to.pass_on(std::move(what));
  } else {
    auto shared = std::make_shared<caf::mailbox_element_ptr>(std::move(what));
    post(
        [&to, keep = caf::strong_actor_ptr{to.ctrl()}, shared] { to.pass_on(std::move(*shared)); });
  }
  if (asks_and_blocks) core_.keep_running();
}

/// The next process on the way; none when that has ended.
engine::peer* node::way_to(const address& where) {
  const auto& here = core_.options().path;
  if (!is_below(here, where.path)) return engine::parent_link();
  const place next = where.path[here.size()];
  const auto reused = reused_places_.find(next);
  engine::link* const link =
      reused != reused_places_.end() ? reused->second.get() : core_.find_link(next);
  const bool lives_there = where.path.size() == here.size() + 1;
  if (link == nullptr || link->place_in_path() != next ||
      (lives_there && !is_for_good(where) && link->incarnation() != where.incarnation_low))
    return nullptr;
  return link;
}

/// Whether that process is the parent of this one, or a child: it needs no receiver then.
bool node::is_next(const std::vector<std::uint32_t>& path) const {
  const auto& here = core_.options().path;
  return (path.size() + 1 == here.size() && is_below(path, here)) ||
         (here.size() + 1 == path.size() && is_below(here, path));
}

bool node::is_stopping(const caf::strong_actor_ptr& actor) {
  const auto* const who = actor != nullptr ? dynamic_cast<proxy*>(actor->get()) : nullptr;
  if (who == nullptr) return false;
  engine::peer* const next = who->child() != nullptr ? who->child().get() : way_to(who->where());
  const auto* const link = dynamic_cast<engine::link*>(next);
  return link != nullptr && link->is_stopping();
}

void node::note_waiting(route& which, bool any) {
  if (any) {
    with_waiting_.insert(&which);
  } else {
    with_waiting_.erase(&which);
  }
}

void node::release_stopping() {
  const std::vector<route*> all{with_waiting_.begin(), with_waiting_.end()};
  for (route* const r : all)
    if (with_waiting_.count(r) != 0) r->release_stopping();
}

engine::peer* node::peer_at(place where) {
  if (where == engine::peer::parent) return engine::parent_link();
  return core_.find_link(where);
}

void node::send_now(proxy& to, caf::mailbox_element_ptr what) {
  for (;;) {
    const auto why = try_send(to, *what, to);
    if (!why) return;
    if (why->code != errc::mailbox_full || !may_wait() || to.child() == nullptr) {
      refuse(to, std::move(what), *why);
      return;
    }
    to.child()->flush();
    core_.run_until([&] { return to.child()->takes(why->needs); });
  }
}

void node::refuse(remote_actor& to, caf::mailbox_element_ptr what, const engine::failure& why) {
  if (what->mid.is_response()) return;
  if (to.ended() && !to.explains_itself() && (to.reject(*what) || is_notice(what->content())))
    return;
  if (what->mid.is_request()) {
    asked request;
    request.sender = what->sender;
    request.to = caf::strong_actor_ptr{to.ctrl()};
    request.id = what->mid;
    request.stages = what->stages;
    give_error(request, make_error(why.code, why.text, why.report));
  } else if (!is_notice(what->content())) {
    if (!to.ended()) core_.log(why.text);
    lose({caf::strong_actor_ptr{to.ctrl()}, what->move_content_to_message(), why.report});
  }
}

std::optional<engine::failure> node::try_send(proxy& to, caf::mailbox_element& what,
                                              remote_actor& as, bool early) {
  if (what.mid.is_response()) {  // an actor here answers past its promise: CAF's bouncer does
    if (is_ours(what.mid)) answer(what.mid.integer_value() & request_bits, what.content());
    return std::nullopt;
  }
  const auto& content = what.content();
  if (content.match_elements<caf::exit_msg>())
    as.unlink_from(content.get_as<caf::exit_msg>(0).source);
  engine::peer* const next = to.child() != nullptr ? to.child().get() : way_to(to.where());
  if (next == nullptr && may_come_back(to.where())) {
    const caf::error why = why_away(to.where().path);
    return engine::failure{errc_of(why), sentence_of(why), report_of(why), {}};
  }
  if (next == nullptr && !to.ended()) to.kill_proxy(&unit_, end_of(to.where()));
  if (to.ended() || next == nullptr)
    return engine::failure{errc::stopped, "the actor has ended", report_of(to.fail_state()), {}};
  if (to.child() != nullptr)
    if (auto* const program = to.child()->as_program()) return write_line(*program, what, as);
  const bool asks = what.mid.is_request();
  wire::header head;
  head.kind = asks ? Envelope::Kind::REQUEST : Envelope::Kind::TELL;
  head.priority = what.mid.is_urgent_message() ? 1 : 0;
  head.early = early;
  if (is_next(to.where().path)) {
    head.target = to.where().number;
  } else {
    head.receiver = &to.where();
  }
  address whom;
  sender_book::introduction introduced;
  if (what.sender) {
    introduced = senders_at(*next).introduce(*next, what.sender);
    head.sender = introduced.number;
    // An urgent one may overtake the one that introduced its sender.
    if (introduced.is_new || head.priority != 0) {
      whom = address_of(what.sender);
      head.introduced = &whom;
    }
  }
  std::optional<engine::failure> why;
  std::optional<std::uint64_t> tag;
  const auto unwritable = [](const std::string& text) {
    return engine::failure{errc::bad_message, text, nullptr, {}};
  };
  try {
    const payload_source payload = source_of(content);
    if (asks) {
      asked request;
      request.is = asked::kind::request;
      request.to = caf::strong_actor_ptr{as.ctrl()};
      request.sender = what.sender;
      request.id = what.mid;
      request.stages = what.stages;
      request.from = next->where();
      request.by_route = &as != static_cast<remote_actor*>(&to);
      tag = remember(std::move(request));
    }
    why = next->post(head, payload, asks ? this : nullptr, tag.value_or(0));
    if (why) why->needs = wire::envelope_bytes(head, payload);
  } catch (const unknown_type& e) {
    why = unwritable(e.what());
  } catch (const kj::Exception& e) {
    why = unwritable(std::string{"it can't be written: "} + e.getDescription().cStr());
  } catch (const std::exception& e) {  // of the code that writes a type
    why = unwritable(std::string{"it can't be written: "} + e.what());
  }
  if (why && tag) release(*tag);
  if (!why) {
    if (to.child() != nullptr && asks) hot_ = to.child();
    if (in_handler()) flush_if_lone(*next);
    return std::nullopt;
  }
  if (introduced.is_new) senders_at(*next).take_back(what.sender, introduced.number);
  return why;
}

/// A request is answered, with nothing, as soon as its line is taken.
std::optional<engine::failure> node::write_line(engine::program_link& to,
                                                caf::mailbox_element& what, remote_actor& as) {
  const auto& content = what.content();
  if (!content.match_elements<std::string>()) return to.post({}, {}, nullptr, 0);
  const auto& line = content.get_as<std::string>(0);
  if (auto why = to.write_line(line)) {
    why->needs = line.size();
    return why;
  }
  if (!what.mid.is_request()) return std::nullopt;
  asked request;
  request.to = caf::strong_actor_ptr{as.ctrl()};
  request.sender = what.sender;
  request.id = what.mid;
  request.stages = what.stages;
  give_message(request, caf::make_message());
  return std::nullopt;
}

/// A message sent in the middle of a long handler does not wait for its end.
void node::flush_if_lone(engine::peer& to) {
  static thread_local engine::clock::time_point last{};
  const auto now = engine::clock::now();
  if (now - last < lone_after) return;
  last = now;
  if (to.where() == engine::peer::parent) {
    engine::parent_link()->flush();
  } else {
    static_cast<engine::link&>(to).flush();
  }
}

caf::error node::being_restarted() {
  return make_error(errc::not_started,
                    "this message was not sent: a process on the way to its actor is being "
                    "restarted; repeating it is safe");
}

/// Of what has a kept place on its way.
caf::error node::why_away(const std::vector<std::uint32_t>& path) const {
  const auto& here = core_.options().path;
  if (is_below(here, path))
    if (const auto kept = kept_places_.find(path[here.size()]);
        kept != kept_places_.end() && kept->second)
      return kept->second;
  return being_restarted();
}

namespace {

/// Nobody there has actors, or ever will.
bool is_final(const caf::error& why) {
  const errc code = errc_of(why);
  return code == errc::unknown_message || code == errc::bad_message || code == errc::refused;
}

}  // namespace

/// Of a watch that could not be passed on.
caf::error node::end_on_the_way(const address& who, const caf::error& why) const {
  return comes_back(who) && !is_final(why) ? being_restarted() : why;
}

/// Of an actor that is to be there again, when the process died that the watch went through.
caf::error node::ended_on_the_way(const asked& request, const caf::error& why) const {
  const auto found = children_.find(request.is == asked::kind::relay ? request.via : request.from);
  const bool again =
      found != children_.end() && kept_places_.count(found->second.link->place_in_path()) != 0;
  return again && !is_final(why) ? being_restarted() : why;
}

bool node::is_ours(caf::message_id id) noexcept {
  return (id.integer_value() & request_bits) >= first_request;
}

// --- in, and through ---

/// Passes a message on by one step. Whoever asked hears from the last process that lives.
void node::relay(engine::peer& from, const wire::incoming& message, const address& receiver) {
  const bool asks = message.kind != Envelope::Kind::TELL;
  engine::peer* const next = way_to(receiver);
  if (next == nullptr || next == &from) {
    const bool watches = message.kind == Envelope::Kind::WATCH;
    const caf::error end = next != nullptr || !may_come_back(receiver) ? end_of(receiver)
                           : watches ? being_restarted()  // a call may yet start it again
                                     : why_away(receiver.path);
    if (asks) {
      answer_with(from.where(), message.number, watches ? end : refusal(end));
    } else if (caf::message content = message_of(message.payload); !is_notice(content)) {
      lose({nullptr, std::move(content), report_of(end)});
    }
    return;
  }
  wire::header head;
  head.kind = message.kind;
  head.priority = message.priority;
  head.receiver = &receiver;
  address whom;
  sender_book::introduction introduced;
  caf::strong_actor_ptr sender;
  if (const auto* const who = known_sender_of(from, message)) {
    sender = who->actor;
    whom = who->where;
  }
  if (sender != nullptr) {
    introduced = senders_at(*next).introduce(*next, sender);
    head.sender = introduced.number;
    if (introduced.is_new || head.priority != 0) head.introduced = &whom;
  }
  asked request;
  request.is = asked::kind::relay;
  request.from = from.where();
  request.number = message.number;
  request.is_watch = message.kind == Envelope::Kind::WATCH && is_for_good(receiver);
  request.via = next->where();
  const std::uint64_t tag = asks ? remember(std::move(request)) : 0;
  const auto why = next->post(head, source_of(message.payload), asks ? this : nullptr, tag);
  if (!why) return;
  if (introduced.is_new) senders_at(*next).take_back(sender, introduced.number);
  if (asks) {
    release(tag);
    const caf::error error = make_error(why->code, why->text, why->report);
    answer_with(from.where(), message.number,
                message.kind == Envelope::Kind::WATCH ? end_on_the_way(receiver, error) : error);
  } else {
    lose({nullptr, message_of(message.payload), why->report});
  }
}

/// False: the actor skipped it.
bool node::deliver(engine::peer& from, const wire::incoming& message, std::uint64_t number) {
  const bool asks = message.kind == Envelope::Kind::REQUEST;
  if (number == registry_number && core_.options().path.empty()) registry_of(*this);
  const auto found = exports_.find(number);
  if (found == exports_.end()) {
    const address who{core_.options().path, number, 0,
                      number & number_for_good ? 0 : core_.options().incarnation};
    const bool may_yet_come = supervisors_start() || function_may_supervise(who);
    const caf::error end = is_for_good(who) && may_yet_come ? being_restarted() : end_of(who);
    if (message.kind != Envelope::Kind::TELL) {
      answer_with(from.where(), message.number,
                  message.kind == Envelope::Kind::WATCH ? end : refusal(end));
    } else {
      caf::message content = message_of(message.payload);
      if (!is_notice(content)) lose({nullptr, std::move(content), nullptr});
    }
    return true;
  }
  const caf::strong_actor_ptr actor = found->second;
  if (message.kind == Envelope::Kind::WATCH) {
    answer_watch(actor, from, message.number);
    return true;
  }
  const bool urgent = message.priority != 0;
  caf::strong_actor_ptr sender = sender_of(from, message);
  const bool to_hosted = number == hosted_number_ && hosted_ != nullptr &&
                         from.where() == engine::peer::parent && !in_handler();
  // What a parent sends it has checked; a type's own code may refuse it all the same.
  const auto refused = [&](const std::exception& e) {
    const std::string why = std::string{"a message can't be read: "} + e.what();
    if (asks) {
      answer_with(from.where(), message.number, make_error(errc::bad_message, why));
    } else {
      core_.pass_on_error_line("troupe: " + why + "; it is dropped\n");
    }
    return true;
  };
  const bool is_from_parent = from.where() == engine::peer::parent;
  if (!asks) {
    caf::mailbox_element_ptr element;
    try {
      element = element_of(message.payload, std::move(sender), tell_id(urgent), {});
    } catch (const std::exception& e) {
      if (!is_from_parent) throw;
      return refused(e);
    }
    if (to_hosted) return activate_hosted(*element);
    actor->enqueue(std::move(element), &unit_);
    return true;
  }
  const std::uint64_t request = next_request_++;
  const caf::strong_actor_ptr guard = to_hosted ? guard_ : fresh_guard();
  auto& guarding = static_cast<answer_guard&>(*guard->get());
  caf::mailbox_element_ptr element;
  try {
    element = element_of(message.payload, std::move(sender), request_id(request, urgent), {guard});
  } catch (const std::exception& e) {
    if (!is_from_parent) throw;
    return refused(e);
  }
  guarding.serve(request);
  if (!to_hosted) {
    inbound_[request] = {from.where(), message.number};
    actor->enqueue(std::move(element), &unit_);
    return true;
  }
  in_hand_ = {request, {from.where(), message.number}};
  const bool taken = activate_hosted(*element);
  element.reset();
  if (taken && in_hand_.request != 0) inbound_.emplace(in_hand_.request, in_hand_.from);
  in_hand_.request = 0;
  if (guard->strong_refs == 2) {  // ours: no promise is left
    if (taken) broken_promise(request);
    guarding.serve(0);
  } else {
    guard_ = fresh_guard();
  }
  return taken;
}

}  // namespace troupe::bridge
