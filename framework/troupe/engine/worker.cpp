#include "troupe/engine/worker.hpp"

#include <new>
#include <utility>

#include "troupe/engine/mailbox_server.hpp"
#include "troupe/engine/process_settings.hpp"
#include "troupe/engine/process_state.hpp"
#include "troupe/os/child.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/heap.hpp"
#include "troupe/os/memory_holder.hpp"
#include "troupe/os/stack_overflow.hpp"
#include "troupe/os/zygote.hpp"

namespace troupe::engine {

constinit process_state this_process;

void live_as_worker() {
  this_process.is_worker = true;
  this_process.loop = nullptr;
  process_settings().adopts_orphans = false;
  process_settings().control = false;
}

namespace {

[[noreturn]] void give_up(const char* why) {
  const std::string text = std::string{"troupe: this worker can't go on: "} + why + '\n';
  os::write_what_fits(os::worker_fd::errors, std::as_bytes(std::span{text}));
  os::end_process(70);  // EX_SOFTWARE
}

/// Who has mail is waited for, and gets ready as it goes.
bool has_no_mail() {
  const int in[] = {os::worker_fd::in};
  return os::wait_readable(in, 0) == 0;
}

constexpr std::size_t heap_of_first_messages = 16 * 1024;

/// Does now what a role would wait for: a page that is touched for the first time costs 5 us.
void get_ready(uplink& link, wire::shared_page::spare_kind as) {
  using kind = wire::shared_page::spare_kind;
  if (as == kind::none) return;
  if (as == kind::kept && process_settings().warm_up != nullptr)
    process_settings().warm_up(has_no_mail);
  prepare_loop();
  link.touch_buffers();
  os::populate_heap(heap_of_first_messages);
}

}  // namespace

void prepare_for_handlers() {
  static bool done = false;
  if (std::exchange(done, true)) return;
  os::on_stack_overflow([] {
    if (this_process.mailbox != nullptr)
      this_process.mailbox->link().page().stack_overflow.store(1, std::memory_order_release);
  });
  os::on_fork([] {
    if (!this_process.is_worker || this_process.mailbox == nullptr) return;
    this_process.is_fork = true;
    this_process.mailbox->link().lose_parent();
  });
}

void end_if_forked() {
  if (this_process.is_fork) [[unlikely]]
    give_up("it is a fork that has returned from its handler; a fork ends by _exit or exec");
}

void worker_main() {
  prepare_for_handlers();
  os::set_process_name(os::worker_name);
  live_as_worker();
  try {
    using namespace os::worker_fd;
    mailbox_server server{in, out, control, page};
    this_process.mailbox = &server;
    os::descriptor{page} = nullptr;  // mapped by now
    if (!server.link().say_hello()) os::end_process(0);
    const auto& told = server.link().page();
    if (told.is_replaced_at_once != 0) os::start_memory_holder(control);
    get_ready(server.link(), told.spare);
    for (;;) server.turn();
  } catch (const kj::Exception& e) {
    give_up(e.getDescription().cStr());
  } catch (const std::bad_alloc&) {
    give_up("no memory is left for what it was sent");
  } catch (const std::exception& e) {
    give_up(e.what());
  }
}

void prepare_loop() {
  if (!this_process.own_loop) this_process.own_loop = std::make_unique<core>(process_settings());
}

bool in_worker() {
  return this_process.is_worker;
}

core& local_core() {
  if (this_process.loop == nullptr) {
    prepare_loop();
    this_process.loop = this_process.own_loop.get();
    if (this_process.mailbox != nullptr) this_process.mailbox->join_loop();
  }
  return *this_process.loop;
}

void set_local_core(core* root) {
  this_process.loop = root;
}

uplink* parent_link() {
  return this_process.mailbox != nullptr ? &this_process.mailbox->link() : nullptr;
}

bool start_goes_on() noexcept {
  return this_process.mailbox == nullptr || this_process.mailbox->start_goes_on();
}

void start_is_over(const std::optional<std::string>& why_not) {
  if (this_process.mailbox != nullptr) this_process.mailbox->start_is_over(why_not);
}

bool start_lasts() noexcept {
  return this_process.mailbox != nullptr && this_process.mailbox->start_lasts();
}

void end_worker_soon(int code) {
  if (this_process.mailbox != nullptr) this_process.mailbox->end_soon(code);
}

bool told_to_end() noexcept {
  return this_process.mailbox != nullptr && this_process.mailbox->is_told_to_end();
}

void note_supervisors(bool any) noexcept {
  if (this_process.mailbox != nullptr)
    this_process.mailbox->link().page().ends_others.store(any ? 1 : 0, std::memory_order_release);
}

void offer_skipped_again() {
  if (this_process.mailbox != nullptr) this_process.mailbox->offer_again();
}

void set_exit_code(int code) {
  this_process.exit_code = code;
}

}  // namespace troupe::engine
