#include "troupe/engine/control_server.hpp"

#include <algorithm>
#include <utility>

#include "troupe/engine/link.hpp"
#include "troupe/engine/peer.hpp"
#include "troupe/os/child.hpp"
#include "troupe/os/local_socket.hpp"

namespace troupe::engine {

using namespace std::chrono_literals;
using wire::ControlAnswer;
using wire::ControlRequest;

namespace {

constexpr unsigned listening = 1;
constexpr unsigned first_client = 2;
constexpr auto accept_again = 1s;      // after the process was out of descriptors
constexpr auto as_good_as_new = 50ms;  // bounds what a client that asks in a loop can cost
constexpr auto show_after = 10ms;      // a change seldom comes alone
constexpr auto show_pause = 200ms;
constexpr auto show_every = 1s;

/// "NAME.PID.sock" of a program, "NAME.PID.part" of a worker with processes of its own.
std::string file_name_of(const std::string& program, int pid, bool is_root) {
  return os::socket_name_of(program) + '.' + std::to_string(pid) + (is_root ? ".sock" : ".part");
}

}  // namespace

std::unique_ptr<control_server> control_server::open(core& loop) {
  const auto& options = loop.options();
  const std::string name = file_name_of(options.program, os::own_pid(), options.path.empty());
  for (const std::string& path : os::runtime_directories()) try {
      auto where = os::open_private(path, true);
      if (where.fd.get() < 0) {
        loop.log("no control socket there: " + where.problem);
        continue;
      }
      os::remove_abandoned_sockets(where, false);
      if (os::connect_in(where, name).is == os::reached::yes) {
        loop.log("no control socket: another process answers at " + path + '/' + name);
        return nullptr;  // of another pid namespace
      }
      return std::make_unique<control_server>(loop, kj::mv(where), name);
    } catch (const kj::Exception& e) {
      loop.log("no control socket in " + path + ": " + e.getDescription().cStr());
    }
  return nullptr;
}

control_server::control_server(core& loop, os::private_directory where, std::string name)
    : core_(loop),
      where_(kj::mv(where)),
      name_(std::move(name)),
      owner_pid_(os::own_pid()),
      listener_(os::listen_in(where_, name_, max_clients)),
      slot_(loop.take_slot(*this)) {
  core_.watch(slot_, listening, listener_);
}

control_server::~control_server() {
  for (const auto timer : {show_timer_, accept_timer_}) core_.cancel(timer);
  for (unsigned place = 0; place < max_clients; ++place) close(place);
  if (accept_timer_ == 0) core_.unwatch(listener_);
  core_.free_slot(slot_);
  if (os::own_pid() == owner_pid_) os::remove_from(where_, name_);
}

void control_server::process_ended(int pid) noexcept {
  if (pid > 0) os::remove_from(where_, file_name_of(core_.options().program, pid, false));
}

void control_server::on_event(unsigned which, bool readable, bool writable) {
  if (which == listening) {
    accept();
    return;
  }
  const unsigned place = which - first_client;
  try {
    if (writable && clients_[place]) write(place);
    if (readable && clients_[place]) read(place);
  } catch (const kj::Exception& e) {
    core_.log(std::string{"a client of the control socket is cut off: "} +
              e.getDescription().cStr());
    close(place);
  }
}

void control_server::accept() {
  auto got = os::accept_from(listener_);
  if (got.exhausted) {
    core_.unwatch(listener_);
    accept_timer_ = core_.after(accept_again, [this] {
      accept_timer_ = 0;
      core_.watch(slot_, listening, listener_);
    });
  }
  if (got.socket.get() < 0) return;
  const auto who = os::identity_of_peer(got.socket);
  if (!who || who->user != os::own_user()) {
    core_.log("user " + (who ? std::to_string(who->user) : "unknown") +
              " is not let in at the control socket");
    return;
  }
  auto free = std::find_if(clients_.begin(), clients_.end(), [](const auto& c) { return !c; });
  if (free == clients_.end()) {
    free = std::min_element(clients_.begin(), clients_.end(),
                            [](const auto& a, const auto& b) { return a->number < b->number; });
    close(static_cast<unsigned>(free - clients_.begin()));
  }
  free->emplace(kj::mv(got.socket), ++arrivals_);
  core_.watch(slot_, first_client + static_cast<unsigned>(free - clients_.begin()),
              (*free)->socket);
}

void control_server::close(unsigned place) {
  auto& c = clients_[place];
  if (!c) return;
  core_.unwatch(c->socket);
  c.reset();
}

std::optional<unsigned> control_server::place_of(std::uint64_t number) const {
  for (unsigned place = 0; place < max_clients; ++place)
    if (clients_[place] && clients_[place]->number == number) return place;
  return std::nullopt;
}

/// The request is copied out before anything is done: what is done may read into the same buffer.
void control_server::read(unsigned place) {
  client& c = *clients_[place];
  std::optional<request> got;
  const auto state = c.in.read(c.socket, core_.control_buffer(), [&](auto got_frame) {
    KJ_REQUIRE(!got && !c.asked, "it sent a request before the last one was answered");
    const wire::checked_message<ControlRequest> message{got_frame};
    got = request{message->which(), message->isRestart() ? message->getRestart().cStr() : ""};
  });
  if (got) {
    c.asked = got->what;
    carry_out(place, *got);
  }
  if (state == inbox::state::closed) close(place);
}

void control_server::carry_out(unsigned place, const request& what) {
  client& c = *clients_[place];
  switch (what.what) {
    case ControlRequest::WATCH:
      c.watches = true;
      show_by(clock::now() + show_every);
      [[fallthrough]];
    case ControlRequest::TREE:
      answer(place, tree());
      return;
    case ControlRequest::STOP:
      core_.log("told to stop through the control socket");
      core_.end_in_order([this] {
        for (unsigned at = 0; at < max_clients; ++at)
          if (clients_[at] && clients_[at]->asked == ControlRequest::STOP)
            answer_with(at, [](ControlAnswer::Builder to) { to.setStopped(); });
      });
      return;
    case ControlRequest::RESTART:
      break;
    default:
      refuse(place, "this program does not know the request: it is older than the one who asks");
      return;
  }
  if (core_.actors() == nullptr) {
    refuse(place, "there is no child " + what.name + ": this program has no supervisor");
    return;
  }
  core_.log("told to restart " + what.name + " through the control socket");
  core_.actors()->supervision().restart(
      what.name, [this, number = c.number](const control_source::restarted& r) {
        const auto now_at = place_of(number);
        if (!now_at) return;
        if (!r.refused.empty()) {
          refuse(*now_at, r.refused);
          return;
        }
        answer_with(*now_at, [&](ControlAnswer::Builder to) {
          auto body = to.initRestarted();
          body.setPath(r.path);
          body.setPidBefore(r.pid_before);
          body.setPid(r.pid);
        });
      });
}

template <class Fill>
void control_server::answer_with(unsigned place, Fill fill) {
  capnp::MallocMessageBuilder builder;
  fill(builder.initRoot<ControlAnswer>());
  answer(place, std::make_shared<const std::vector<std::byte>>(wire::control_frame(builder)));
}

void control_server::refuse(unsigned place, const std::string& why) {
  answer_with(place, [&](ControlAnswer::Builder to) { to.setRefused(why); });
}

void control_server::answer(unsigned place, bytes what) {
  send(place, {std::move(what), true});
}

/// After what is being written.
void control_server::send(unsigned place, frame what) {
  clients_[place]->out.push_back(std::move(what));
  try {
    write(place);
  } catch (const kj::Exception&) {
    close(place);  // whoever answers has nothing to do with it
  }
}

/// Whoever does not read gets nothing new, and costs nothing.
void control_server::write(unsigned place) {
  client& c = *clients_[place];
  const auto watch_for_room = [&](bool room) {
    if (c.waits_for_room == room) return;
    c.waits_for_room = room;
    core_.unwatch(c.socket);
    core_.watch(slot_, first_client + place, c.socket, room);
  };
  while (!c.out.empty()) {
    const auto done = os::send_some(c.socket, std::span{*c.out.front().content}.subspan(c.sent));
    if (done.why == os::transfer::end::closed) {
      close(place);
      return;
    }
    if (done.why == os::transfer::end::would_block) {
      watch_for_room(true);
      return;
    }
    c.sent += done.bytes;
    if (c.sent != c.out.front().content->size()) continue;
    if (c.out.front().is_answer) c.asked.reset();
    c.out.pop_front();
    c.sent = 0;
    if (c.out.empty() && std::exchange(c.missed, false)) c.out.push_back({tree(), false});
  }
  watch_for_room(false);
}

// --- the tree ---

void control_server::changed() {
  tree_ = nullptr;
  if (std::any_of(clients_.begin(), clients_.end(), [](const auto& c) { return c && c->watches; }))
    show_by(std::max(clock::now() + show_after, shown_at_ + show_pause));
}

void control_server::show_by(clock::time_point when) {
  if (show_timer_ != 0 && show_at_ <= when) return;
  core_.cancel(show_timer_);
  show_at_ = when;
  show_timer_ = core_.at(when, [this] {
    show_timer_ = 0;
    show_watchers();
  });
}

void control_server::show_watchers() {
  bool any = false;
  shown_at_ = clock::now();
  for (unsigned place = 0; place < max_clients; ++place) {
    if (!clients_[place] || !clients_[place]->watches) continue;
    any = true;
    if (clients_[place]->out.empty()) {
      send(place, {tree(), false});
    } else {
      clients_[place]->missed = true;
    }
  }
  if (any) show_by(shown_at_ + show_every);
}

control_server::bytes control_server::tree() {
  const auto now = clock::now();
  if (tree_ != nullptr && now - tree_taken_ < as_good_as_new) return tree_;
  tree_ = std::make_shared<const std::vector<std::byte>>(encoded_tree(core_, now));
  tree_taken_ = now;
  return tree_;
}

}  // namespace troupe::engine
