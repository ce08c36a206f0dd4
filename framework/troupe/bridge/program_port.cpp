#include "troupe/bridge/program_port.hpp"

#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/sec.hpp>

#include <algorithm>
#include <utility>

#include "troupe/error.hpp"
#include "troupe/message_types.hpp"

namespace troupe::bridge {

using namespace std::chrono_literals;

namespace {

/// Lines that their receiver has not answered yet; then the program has to wait.
constexpr std::size_t max_unanswered = 256;
constexpr std::size_t max_unanswered_bytes = std::size_t{256} << 10;
constexpr auto retry_after = 20ms;

/// It may be taken later.
bool is_passing(const caf::error& why) {
  return why == make_error(errc::mailbox_full) || why == make_error(errc::not_started);
}

/// Its receiver had it: whatever came of it, it is not lost.
bool was_begun(const caf::error& why) {
  return why == make_error(errc::worker_lost) || why == make_error(errc::unanswered) ||
         why == caf::sec::runtime_error;
}

}  // namespace

class program_port::answer_taker final : public caf::monitorable_actor {
public:
  answer_taker(caf::actor_config& config, bridge::node& of, std::weak_ptr<program_port> to)
      : monitorable_actor(config), node_(of), to_(std::move(to)) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!what->mid.is_response() || node::if_made() == nullptr) return;
    auto shared = std::make_shared<caf::mailbox_element_ptr>(std::move(what));
    node_.locally([to = to_, shared] {
      const auto& answer = **shared;
      const auto port = to.lock();
      if (port != nullptr)
        port->answered(answer.mid.integer_value() & caf::message_id::request_id_mask, answer);
    });
  }

private:
  bridge::node& node_;
  const std::weak_ptr<program_port> to_;
};

program_port::program_port(node& in, std::string path, caf::strong_actor_ptr to)
    : node_(in), path_(std::move(path)), receiver_(std::move(to)) {}

bool program_port::wants_lines() {
  return waiting_.empty() && unanswered_.size() < max_unanswered &&
         unanswered_bytes_ < max_unanswered_bytes;
}

void program_port::on_line(const engine::program_link& from, std::string_view text, bool more) {
  if (taker_ == nullptr) {
    caf::actor_config config;
    taker_ = caf::make_actor<answer_taker, caf::strong_actor_ptr>(
        node_.system().next_actor_id(), node_.system().node(), &node_.system(), config, node_,
        weak_from_this());
  }
  program_ = std::const_pointer_cast<engine::link>(from.shared_from_this());
  keep_ = shared_from_this();
  sent_line line{caf::make_message(program_line{path_, from.pid(), std::string{text}, more}),
                 text.size()};
  if (waiting_.empty()) {
    send(std::move(line));
  } else {
    waiting_.push_back(std::move(line));
  }
}

void program_port::send(sent_line what) {
  const number n = ++last_;
  what.sent_as = n;
  unanswered_bytes_ += what.bytes;
  const caf::message content = what.content;
  unanswered_.emplace(n, std::move(what));
  node_.forward(receiver_, caf::make_mailbox_element(taker_, request_id(n, false), {}, content));
}

void program_port::answered(number of, const caf::mailbox_element& answer) {
  const auto found = unanswered_.find(of);
  if (found == unanswered_.end()) return;
  sent_line line = std::move(found->second);
  unanswered_.erase(found);
  unanswered_bytes_ -= line.bytes;
  const auto& content = answer.content();
  if (content.match_elements<caf::error>()) refused(std::move(line), content.get_as<caf::error>(0));
  settle();
}

void program_port::refused(sent_line what, const caf::error& why) {
  if (is_passing(why)) {
    // Refusals may come in any order.
    const auto later = std::find_if(waiting_.begin(), waiting_.end(), [&](const sent_line& w) {
      return w.sent_as == 0 || w.sent_as > what.sent_as;
    });
    waiting_.insert(later, std::move(what));
  } else if (!was_begun(why)) {
    node_.lose({receiver_, std::move(what.content), report_of(why)});
  }
}

/// Goes on with what waits; in a while, unless an answer will come sooner.
void program_port::settle() {
  if (!waiting_.empty()) {
    if (retry_ == 0)
      retry_ = node_.core().after(retry_after, [keep = shared_from_this()] {
        keep->retry_ = 0;
        keep->send_waiting();
      });
    return;
  }
  // Not for each line: going on costs the loop more than a line does.
  if (unanswered_.size() > max_unanswered / 2 || unanswered_bytes_ > max_unanswered_bytes / 2)
    return;
  if (const auto program = program_.lock())
    if (auto* const link = program->as_program()) link->go_on();
  if (unanswered_.empty()) {
    const auto keep = std::exchange(keep_, nullptr);
    program_.reset();
  }
}

/// In their order: none goes before the answer of the one before it says that there is room.
void program_port::send_waiting() {
  auto all = std::exchange(waiting_, {});
  while (!all.empty() && waiting_.empty()) {
    sent_line next = std::move(all.front());
    all.pop_front();
    send(std::move(next));
  }
  waiting_.insert(waiting_.end(), std::make_move_iterator(all.begin()),
                  std::make_move_iterator(all.end()));
  settle();
}

/// Of a program that has ended, what never began to be written goes to the next life.
void program_port::on_unwritten(engine::program_link& to, std::string line) {
  caf::message content = caf::make_message(std::move(line));
  if (to.now() == engine::link::state::ended &&
      node_.give_back(to.where(), caf::make_mailbox_element(nullptr, tell_id(false), {}, content)))
    return;
  node_.lose({nullptr, std::move(content), nullptr});
}

}  // namespace troupe::bridge
