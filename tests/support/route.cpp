#include <support/route.hpp>

#include <unistd.h>

#include <algorithm>
#include <memory>

namespace test {

namespace {

std::size_t count_lives(const std::string& place) {
  note(place, a_life);
  const auto noted = notes_at(place);
  return static_cast<std::size_t>(std::count(noted.begin(), noted.end(), a_life));
}

}  // namespace

caf::behavior sender(caf::event_based_actor* self, caf::actor to, caf::actor report, int number,
                     int bytes) {
  auto answered = std::make_shared<int>(0);
  auto lost = std::make_shared<int>(0);
  auto others = std::make_shared<int>(0);
  const auto send_all = [=](caf::put_atom, int count) {
    const std::string text(static_cast<std::size_t>(bytes), 'x');
    const int asks = (count + 3) / 4;
    const auto done = [=](int& which) {
      ++which;
      if (*answered + *lost + *others == asks) self->send(report, *answered, *lost, *others);
    };
    for (int i = 0; i < count; ++i) {
      const int x = number * per_sender + i;
      if (i % 4 == 0) {
        self->request(to, caf::infinite, x)
            .then([=](int) { done(*answered); },
                  [=](const caf::error& e) {
                    done(e == troupe::errc::worker_lost ? *lost : *others);
                  });
      } else if (bytes != 0) {
        self->send(to, x, text);
      } else {
        self->send(to, x);
      }
    }
  };
  return {send_all, [](caf::get_atom) { return 0; }, [](int) {}};  // what a tell is answered with
}

caf::behavior hanging(caf::event_based_actor* self, const std::string& place, caf::actor report,
                      int hanging_lives) {
  const int life = static_cast<int>(count_lives(place));
  const auto take = [=](int x) {
    note(place, static_cast<std::uint64_t>(x));
    if (life > hanging_lives || (x % per_sender == 0 && x != 0)) return x;
    self->send(report, caf::put_atom_v, life);
    for (;;) pause();
  };
  return {
      take,
      [=](int x, const std::string&) { take(x); },
      [=](caf::tick_atom, int x) {
        take(x);
        self->send(caf::actor_cast<caf::actor>(self->current_sender()), caf::ok_atom_v, x);
      },
      [](caf::flush_atom) { return true; },
  };
}

troupe::supervisor supervise(troupe::child_spec child, int intensity) {
  troupe::supervisor_spec spec;
  spec.intensity = intensity;
  spec.children = {std::move(child)};
  return runtime().supervise(spec);
}

}  // namespace test
