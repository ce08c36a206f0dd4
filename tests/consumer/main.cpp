// A program of somebody else's, with schemas of its own and a ready-made actor.
#include <unistd.h>
#include <actors/pool/pool.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <troupe/troupe.hpp>

#include "hello.capnp.h"

using consumer::Hello;

troupe::msg<Hello> reply(const troupe::msg<Hello>& hello) {
  return troupe::make<Hello>([&](auto answer) {
    const std::string text = hello->getWords().getText();
    answer.initWords().setText("you said: " + text);
    answer.initFrom().initPath(1).set(0, static_cast<std::uint32_t>(getpid()));
  });
}

int square(int x) {
  return x * x;
}

int main(int argc, char** argv) {
  return troupe::program{argc, argv}.run([](troupe::runtime& rt) {
    auto worker = rt.serve(reply);
    const auto hello = troupe::make<Hello>([](auto m) { m.initWords().setText("hello"); });
    const auto answer = worker.ask(hello).value();
    const bool elsewhere = answer->getFrom().getPath()[0] != static_cast<std::uint32_t>(getpid());
    std::cout << answer->getWords().getText().cStr()
              << (elsewhere ? ", says another process\n" : ", says this process\n");
    const auto shared = rt.spawn(troupe::actors::pool, std::uint64_t{2});
    const troupe::actors::pool_client client{rt, shared};
    std::cout << "a pool's square of 7: " << client.apply(square, 7).value() << '\n';
    rt.stop(shared);
  });
}
