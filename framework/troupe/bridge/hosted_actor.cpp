#include "troupe/bridge/hosted_actor.hpp"

#include <caf/atom.hpp>
#include <caf/deep_to_string.hpp>
#include <caf/make_message.hpp>
#include <caf/message_view.hpp>
#include <caf/result.hpp>
#include <caf/sec.hpp>

#include <utility>

#include "troupe/os/descriptor.hpp"
#include "troupe/os/zygote.hpp"

namespace troupe::bridge {

namespace {

constexpr std::size_t longest_content = 200;

void say(const hosted_actor& who, const std::string& what) {
  const std::string line = who.name + ": " + what + '\n';
  os::write_what_fits(os::worker_fd::errors, std::as_bytes(std::span{line}));
}

std::string text_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

/// Reaches what CAF has no accessors for: whether the actor has handlers of its own, from its
/// constructor on.
class defaults : public caf::scheduled_actor {
public:
  static bool has_exception_handler(caf::scheduled_actor& of) {
    using usual = caf::error (*)(pointer, std::exception_ptr&);
    const usual* const now = (of.*&defaults::exception_handler_).target<usual>();
    return now == nullptr || *now != &caf::scheduled_actor::default_exception_handler;
  }
  static bool has_default_handler(caf::scheduled_actor& of) {
    using usual = caf::result<caf::message> (*)(pointer, caf::message_view&);
    const usual* const now = (of.*&defaults::default_handler_).target<usual>();
    return now == nullptr || *now != &caf::print_and_drop;
  }
};

}  // namespace

void set_defaults(caf::scheduled_actor& actor, std::shared_ptr<hosted_actor> as) {
  if (!defaults::has_exception_handler(actor))
    actor.set_exception_handler([as](caf::scheduled_actor*, std::exception_ptr& thrown) {
      as->thrown = thrown;
      const std::string text = text_of(thrown);
      if (as->is_made) say(*as, "its actor ended by an exception: " + text);
      return caf::error{static_cast<std::uint8_t>(caf::sec::runtime_error), caf::atom("system"),
                        caf::make_message(text)};
    });
  if (!defaults::has_default_handler(actor))
    actor.set_default_handler(
        [as = std::move(as)](caf::scheduled_actor*,
                             caf::message_view& what) -> caf::result<caf::message> {
          std::string content = caf::deep_to_string(what.content());
          if (content.size() > longest_content)
            content.replace(longest_content, content.npos, "...");
          say(*as, "no clause of its actor takes the message " + content);
          return caf::sec::unexpected_message;
        });
}

}  // namespace troupe::bridge
