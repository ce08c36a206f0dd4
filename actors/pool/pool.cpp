#include "actors/pool/pool.hpp"

#include <memory>

namespace troupe::actors {

namespace {

call_data::place place_of(pool_messages::Place::Reader from) {
  const auto id = from.getBuildId();
  return {{reinterpret_cast<const char*>(id.begin()), id.size()}, from.getOffset()};
}

void set_place(pool_messages::Place::Builder to, const call_data::place& from) {
  to.setBuildId({reinterpret_cast<const kj::byte*>(from.build_id.data()), from.build_id.size()});
  to.setOffset(from.offset);
}

call_data data_of(const pool_call& call) {
  call_data data;
  data.stub = place_of(call->getStub());
  if (call->hasFunction()) data.function = place_of(call->getFunction());
  data.name = call->getName().cStr();
  const auto arguments = call->getArguments();
  data.arguments.assign(reinterpret_cast<const char*>(arguments.begin()), arguments.size());
  return data;
}

pool_result result_of(const std::string& bytes) {
  return make<pool_messages::Result>([&](auto r) {
    r.setValue({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
  });
}

}  // namespace

pool_call make_call(const call_data& call, bool urgent) {
  return make<pool_messages::Call>([&](auto to) {
    set_place(to.initStub(), call.stub);
    if (!call.function.build_id.empty()) set_place(to.initFunction(), call.function);
    to.setName(call.name);
    to.setArguments(
        {reinterpret_cast<const kj::byte*>(call.arguments.data()), call.arguments.size()});
    to.setUrgent(urgent);
  });
}

pool_actor::behavior_type pool(pool_actor::pointer self, runtime& rt, std::uint64_t workers) {
  const auto mine =
      std::make_shared<troupe::pool>(rt.pool(pool_options{static_cast<std::size_t>(workers)}));
  self->attach_functor([mine] { mine->terminate(); });
  return {[=](const pool_call& call) -> caf::result<pool_result> {
            auto promise = self->make_response_promise<pool_result>();
            map_options how = mine->usual();
            how.urgent = call->getUrgent();
            try {
              submit(*mine, data_of(call), how).then([promise](result<encoded_value>& r) mutable {
                if (r) {
                  promise.deliver(result_of(r->bytes));
                } else {
                  promise.deliver(r.error());
                }
              });
            } catch (const std::exception& e) {
              promise.deliver(make_error(errc::unknown_message, e.what()));
            }
            return promise;
          },
          [=](const pool_ask&) {
            const auto now = mine->totals();
            return make<pool_messages::State>([&](auto state) {
              state.setDone(now.done);
              state.setFailed(now.failed);
              state.setRetried(now.retried);
              state.setRestarts(now.restarts);
              state.setWorkers(static_cast<std::uint32_t>(mine->workers().size()));
            });
          }};
}

pool_progress pool_client::progress() const {
  pool_progress now;
  rt_.self()
      ->request(to_, caf::infinite, make<pool_messages::Ask>([](auto) {}))
      .receive(
          [&](const pool_state& state) {
            now.done = state->getDone();
            now.failed = state->getFailed();
            now.retried = state->getRetried();
            now.restarts = state->getRestarts();
          },
          [](caf::error& e) { throw failure{e}; });
  return now;
}

}  // namespace troupe::actors
