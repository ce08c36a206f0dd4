#include "troupe/bridge/scheduler.hpp"

#include <caf/actor_ostream.hpp>
#include <caf/actor_system.hpp>
#include <caf/atom.hpp>
#include <caf/make_actor.hpp>
#include <caf/message_handler.hpp>
#include <caf/monitorable_actor.hpp>

#include <fstream>
#include <iostream>
#include <mutex>
#include <unordered_map>

#include "troupe/bridge/node.hpp"

namespace troupe::bridge {

namespace {

/// Prints what `aout` gets, in whole lines. Any thread.
class line_printer final : public caf::monitorable_actor {
public:
  explicit line_printer(caf::actor_config& config) : monitorable_actor(config) {
    using caf::actor_id;
    handler_.assign(
        [this](caf::add_atom, actor_id who, std::string& text) {
          std::string& line = lines_[who];
          line += text;
          if (!line.empty() && line.back() == '\n') print(who);
        },
        [this](caf::flush_atom, actor_id who) { print(who); },
        [this](caf::delete_atom, actor_id who) {
          print(who);
          lines_.erase(who);
          files_.erase(who);
        },
        [this](caf::redirect_atom, const std::string& file, int flags) {
          everyone_ = open(file, flags);
        },
        [this](caf::redirect_atom, actor_id who, const std::string& file, int flags) {
          files_[who] = open(file, flags);
        });
  }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    const std::lock_guard lock{mutex_};
    handler_(what->content());
  }

private:
  using file_ptr = std::shared_ptr<std::ofstream>;

  static file_ptr open(const std::string& name, int flags) {
    if (name.empty()) return nullptr;
    const bool append = (flags & caf::actor_ostream::append) != 0;
    auto file = std::make_shared<std::ofstream>(name, append ? std::ios::app : std::ios::trunc);
    if (file->is_open()) return file;
    std::cerr << "aout can't be redirected to " << name << ": it can't be opened\n";
    return nullptr;
  }

  void print(caf::actor_id who) {
    const auto line = lines_.find(who);
    if (line == lines_.end() || line->second.empty()) return;
    const auto own = files_.find(who);
    const file_ptr file = own != files_.end() && own->second ? own->second : everyone_;
    (file ? static_cast<std::ostream&>(*file) : std::cout) << line->second << std::flush;
    line->second.clear();
  }

  std::mutex mutex_;
  caf::message_handler handler_;
  std::unordered_map<caf::actor_id, std::string> lines_;
  std::unordered_map<caf::actor_id, file_ptr> files_;
  file_ptr everyone_;
};

}  // namespace

void loop_scheduler::enqueue(caf::resumable* what) {
  node_->run_later(what);
}

void loop_scheduler::start() {
  caf::actor_config config;
  utility_actors_[printer_id] = caf::make_actor<line_printer, caf::actor>(
      system().next_actor_id(), system().node(), &system(), config);
}

void loop_scheduler::stop() {
  node_->drop_jobs();
  clock_.cancel_all();
}

}  // namespace troupe::bridge
