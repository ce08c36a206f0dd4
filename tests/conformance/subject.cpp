#include "subject.hpp"

#include <troupe/error.hpp>

namespace test {

std::string to_string(kind of) {
  switch (of) {
    case kind::local:
      return "local";
    case kind::in_process:
      return "in_process";
    case kind::process:
      return "process";
  }
  return "unknown";
}

subject::subject(kind of) : kind_(of) {
#if TEST_TROUPE_ACTORS
  if (kind_ != kind::local) {
    // What an earlier case left: a runtime has one actor for all of them.
    bool more = true;
    self()->receive_while(more)(
        caf::others >>
            [](caf::message_view&) -> caf::result<caf::message> { return caf::message{}; },
        caf::after(std::chrono::seconds{0}) >> [&] { more = false; });
    return;
  }
#endif
  system_ = std::make_unique<caf::actor_system>(config_);
  self_ = std::make_unique<caf::scoped_actor>(*system_);
}

subject::~subject() {
  for (const auto& address : started_) {
    const auto actor = caf::actor_cast<caf::strong_actor_ptr>(address);
    if (actor == nullptr) continue;
    self()->send_exit(actor, caf::exit_reason::kill);
    self()->wait_for(actor);
  }
}

caf::blocking_actor* subject::self() const {
#if TEST_TROUPE_ACTORS
  if (kind_ != kind::local) return runtime().self();
#endif
  return self_->ptr();
}

std::string text(const caf::error& error) {
  if (error && error.category() == caf::atom("exit"))
    return to_string(static_cast<caf::exit_reason>(error.code()));
  return troupe::describe(error);
}

}  // namespace test
