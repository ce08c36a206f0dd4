#include "troupe/call_data.hpp"

#include <stdexcept>

#include "troupe/os/code_address.hpp"

namespace troupe {

namespace {

const void* code_at(const call_data::place& place) {
  const void* const code = os::resolve({place.build_id, place.offset});
  if (code == nullptr)
    throw std::invalid_argument{
        "a call of a function that this program does not have: caller and pool must be the same "
        "program"};
  return code;
}

}  // namespace

call_data::place detail::place_of(const void* code) {
  const auto address = os::locate(code);
  if (!address) throw std::invalid_argument{"a function outside every loaded object can't be sent"};
  return {address->build_id, address->offset};
}

engine::role detail::role_of(const call_data& call) {
  engine::role role;
  role.name = call.name;
  role.stub = reinterpret_cast<stub_function>(const_cast<void*>(code_at(call.stub)));
  if (!call.function.build_id.empty()) role.function = code_at(call.function);
  return role;
}

task<encoded_value> submit(pool& to, const call_data& call, const map_options& how) {
  return to.submit_encoded(detail::role_of(call), call.arguments, how);
}

task<encoded_value> pool::submit_encoded(const engine::role& what, std::string arguments,
                                         const map_options& how) {
  auto call = std::make_shared<detail::encoded_call>(core_, std::move(arguments));
  call->under_way(engine::begin(*core_, what, call, how));
  return task<encoded_value>{std::move(call)};
}

}  // namespace troupe
