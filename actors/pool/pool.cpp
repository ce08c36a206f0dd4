#include "actors/pool/pool.hpp"

#include <deque>
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

pool_result nothing() {
  return make<pool_messages::Result>([](auto) {});
}

/// Gives the answers that have come, and then those that come, to who asks for the next.
caf::behavior asker(caf::event_based_actor* self, const pool_actor& to) {
  struct state {
    std::deque<detail::answer> come;
    std::deque<caf::response_promise> wanted;

    void match() {
      for (; !come.empty() && !wanted.empty(); come.pop_front(), wanted.pop_front())
        wanted.front().deliver(come.front().index, come.front().value, come.front().error);
    }
  };
  const auto mine = std::make_shared<state>();
  return {[=](std::uint64_t index, const pool_call& call) {
            const auto arrived = [=](const pool_result& value, const caf::error& error) {
              mine->come.push_back({index, value, error});
              mine->match();
            };
            self->request(to, caf::infinite, call)
                .then([=](const pool_result& r) { arrived(r, {}); },
                      [=](const caf::error& e) { arrived(nothing(), e); });
          },
          [=](caf::get_atom) {
            mine->wanted.push_back(self->make_response_promise());
            mine->match();
          }};
}

}  // namespace

namespace detail {

answer wait_for(response& from, std::uint64_t index) {
  answer got{index, nothing(), {}};
  from.receive([&](const pool_result& r) { got.value = r; },
               [&](const caf::error& e) { got.error = e; });
  return got;
}

answer in_order::next() {
  answer got = wait_for(open_.front(), first_++);
  open_.pop_front();
  return got;
}

as_they_come::as_they_come(runtime& rt, const pool_actor& to)
    : rt_(rt), asker_(rt.spawn(in_process, asker, to)) {}

as_they_come::~as_they_come() {
  caf::anon_send_exit(asker_, caf::exit_reason::user_shutdown);
}

void as_they_come::ask(const pool_call& call) {
  rt_.self()->send(asker_, asked_++, call);
  ++open_;
}

answer as_they_come::next() {
  answer got{0, nothing(), {}};
  rt_.self()
      ->request(asker_, caf::infinite, caf::get_atom_v)
      .receive(
          [&](std::uint64_t index, const pool_result& value, const caf::error& error) {
            got = {index, value, error};
          },
          [](const caf::error& e) { throw failure{e}; });
  --open_;
  return got;
}

}  // namespace detail

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
