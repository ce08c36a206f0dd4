#include "troupe/engine/role_table.hpp"

#include <kj/debug.h>

#include <span>
#include <utility>

#include "troupe/engine/process_settings.hpp"
#include "troupe/os/code_address.hpp"
#include "troupe/os/descriptor.hpp"
#include "troupe/os/limits.hpp"
#include "troupe/os/zygote.hpp"

namespace troupe::engine {

namespace {

constexpr std::int8_t as_it_is = 127;  ///< of nice values

const void* code_from(schema::Code::Reader code) {
  const auto id = code.getBuildId();
  return os::resolve(
      {std::string{reinterpret_cast<const char*>(id.begin()), id.size()}, code.getOffset()});
}

void take_place(schema::Bind::Reader body) {
  core_options& settings = process_settings();
  settings.path.clear();
  for (const std::uint32_t place : body.getPath()) settings.path.push_back(place);
  settings.control = body.getControl();
  settings.incarnation = body.getIncarnation();
  const auto predecessor =
      std::as_bytes(std::span{body.getPredecessor().begin(), body.getPredecessor().size()});
  settings.predecessor.assign(predecessor.begin(), predecessor.end());
}

/// A process that can't have what its spec promises is not the one that was asked for.
void limit_self(schema::Bind::Reader body) {
  os::own_limits limits;
  for (const auto l : body.getLimits())
    limits.limits.emplace_back(static_cast<os::resource>(l.getResource()), l.getValue());
  if (body.getNice() != as_it_is) limits.nice = body.getNice();
  for (const auto cpu : body.getCpus()) limits.cpus.push_back(cpu);
  const std::string refused = os::limit_self(limits);
  if (refused.empty()) return;
  const std::string line = "troupe: this process can't start: " + refused + '\n';
  os::write_what_fits(os::worker_fd::errors, std::as_bytes(std::span{line}));
  os::end_process(71);  // EX_OSERR
}

}  // namespace

const bound_role& role_table::bind(const wire::incoming& message) {
  KJ_REQUIRE(message.envelope != nullptr && message.envelope->getBody().isBind());
  const auto body = message.envelope->getBody().getBind();
  bound_role r;
  r.stub = reinterpret_cast<stub_function>(const_cast<void*>(code_from(body.getStub())));
  if (body.hasFunction()) r.function = code_from(body.getFunction());
  r.name = body.getName().cStr();
  r.once = body.getOnce();
  r.actor = body.getActor();
  KJ_REQUIRE(r.stub != nullptr, "a function that this binary does not have");
  r.target = message.target;
  take_place(body);
  limit_self(body);
  roles_.push_back(std::move(r));
  return roles_.back();
}

void role_table::unbind(std::uint64_t target) {
  std::erase_if(roles_, [target](const bound_role& r) { return r.target == target; });
}

}  // namespace troupe::engine
