#include <support/catch.hpp>
#include <support/fake_supervisor.hpp>

using namespace std::chrono_literals;
using namespace test;
using troupe::policy::outcome;
using lines = std::vector<std::string>;

TEST_CASE("children start in order and stop in reverse", "[policy][supervision]") {
  fake_supervisor sup{{.children = {child("a"), child("b"), child("c")}}};
  sup.start();
  CHECK(sup.did() ==
        lines{"start a", "ready a", "start b", "ready b", "start c", "ready c", "started"});
  sup.stop();
  CHECK(sup.did({"stop ", "finish"}) == lines{"stop c", "stop b", "stop a", "finish"});
}
