// Two processes that talk to each other both ways, as over multiprocessing.Pipe(). Each sends
// 500 kB before it reads: over a Pipe, which holds less, they would wait for each other for ever.
#include <iostream>
#include <set>
#include <troupe/troupe.hpp>

constexpr int count = 100;
constexpr std::size_t size = 5'000;

// region end
/// One end of the pipe. It says who it is, learns who the other is, and sends and receives.
void talk(troupe::runtime& rt, const caf::actor& parent, const std::string& name) {
  auto self = rt.self();
  self->send(parent, caf::actor_cast<caf::actor>(self));
  caf::actor other;
  self->receive([&](const caf::actor& it) { other = it; });

  for (int i = 0; i < count; ++i) self->send(other, name, std::string(size, '.'));

  std::string from;
  std::size_t bytes = 0;
  for (int i = 0; i < count; ++i)
    self->receive([&](const std::string& who, const std::string& what) {
      from = who;
      bytes += what.size();
    });
  self->send(parent, name + " got " + std::to_string(bytes) + " bytes from " + from);
}
// endregion

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    // region introduce
    auto self = rt.self();
    const auto me = caf::actor_cast<caf::actor>(self);
    rt.spawn(talk, me, "Romeo");
    rt.spawn(talk, me, "Juliet");
    caf::actor one, other;
    self->receive([&](const caf::actor& it) { one = it; });
    self->receive([&](const caf::actor& it) { other = it; });
    self->send(one, other);  // handles travel like any value
    self->send(other, one);
    // endregion

    std::set<std::string> reports;
    for (int i = 0; i < 2; ++i)
      self->receive([&](const std::string& report) { reports.insert(report); });
    for (const auto& report : reports) std::cout << report << '\n';
  });
}
