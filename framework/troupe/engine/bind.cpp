#include "troupe/engine/bind.hpp"

#include <kj/debug.h>

#include <utility>

#include "troupe/os/code_address.hpp"

namespace troupe::engine {

namespace {

void set_code(schema::Code::Builder to, const void* code) {
  const auto address = os::locate(code);
  KJ_REQUIRE(address.has_value(), "a function outside every loaded object can't be sent");
  to.setBuildId(
      {reinterpret_cast<const kj::byte*>(address->build_id.data()), address->build_id.size()});
  to.setOffset(address->offset);
}

void set_limits(schema::Bind::Builder to, const process_limits& from) {
  using resource = schema::Limit::Resource;
  std::vector<std::pair<resource, std::uint64_t>> set;
  const auto add = [&set](resource what, const auto& value) {
    if (value) set.emplace_back(what, static_cast<std::uint64_t>(*value));
  };
  add(resource::ADDRESS_SPACE, from.address_space_bytes);
  add(resource::DATA, from.data_bytes);
  add(resource::STACK, from.stack_bytes);
  add(resource::CORE, from.core_bytes);
  add(resource::FILE, from.file_bytes);
  add(resource::OPEN_FILES, from.open_files);
  add(resource::PROCESSES, from.processes);
  if (from.cpu_time) set.emplace_back(resource::CPU_SECONDS, from.cpu_time->count());
  if (!set.empty()) {
    auto limits = to.initLimits(static_cast<unsigned>(set.size()));
    for (unsigned i = 0; i < set.size(); ++i) {
      limits[i].setResource(set[i].first);
      limits[i].setValue(set[i].second);
    }
  }
  if (from.nice) to.setNice(static_cast<std::int8_t>(*from.nice));
  if (from.cpus.empty()) return;
  auto cpus = to.initCpus(static_cast<unsigned>(from.cpus.size()));
  for (unsigned i = 0; i < cpus.size(); ++i) cpus.set(i, static_cast<std::uint16_t>(from.cpus[i]));
}

}  // namespace

void describe_role(schema::Bind::Builder to, const role& what,
                   const std::vector<std::uint32_t>& path, std::uint64_t incarnation,
                   bool control) {
  set_code(to.initStub(), reinterpret_cast<const void*>(what.stub));
  if (what.function != nullptr) set_code(to.initFunction(), what.function);
  to.setName(what.name);
  to.setOnce(what.once);
  to.setActor(what.actor);
  to.setControl(control);
  auto places = to.initPath(static_cast<unsigned>(path.size()));
  for (unsigned i = 0; i < path.size(); ++i) places.set(i, path[i]);
  to.setIncarnation(incarnation);
  set_limits(to, what.limits);
  if (!what.predecessor.empty())
    to.setPredecessor(
        {reinterpret_cast<const kj::byte*>(what.predecessor.data()), what.predecessor.size()});
}

}  // namespace troupe::engine
