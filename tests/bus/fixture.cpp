// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind::bustest {
namespace {

/// Everybody may connect and say anything: it is the daemon's own decisions that are looked at.
constexpr const char* busConfiguration =
    R"(<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=@FOLDER@/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
)";

std::string makeFolder() {
    const char* base = std::getenv("TMPDIR");
    std::string name = std::string(base != nullptr ? base : "/tmp") + "/vfio-bind-bus-XXXXXX";
    if (mkdtemp(name.data()) == nullptr)
        throw std::system_error(errno, std::generic_category(), name);
    chmod(name.c_str(), 0755); // another user's client connects to the bus in it
    return name;
}

/// The command that the daemon is to run under, `valgrind --leak-check=full` say.
std::vector<std::string> under() {
    const char* words = std::getenv("VFIO_BIND_UNDER");
    std::istringstream stream(words != nullptr ? words : "");
    return {std::istream_iterator<std::string>(stream), {}};
}

std::string field(const std::string& state, const std::string& key) {
    const auto at = state.find(key + '=');
    const auto begin = at + key.size() + 1;
    return state.substr(begin, state.find(' ', begin) - begin);
}

} // namespace

json networkCard(const std::string& address, unsigned group, const std::string& ids) {
    return {{"address", address}, {"ids", ids}, {"class", "020000"}, {"group", group}};
}

json standardMachine() {
    const auto port = [](const char* address, unsigned group, unsigned bus) {
        return json{{"address", address}, {"group", group}, {"secondary-bus", bus}};
    };
    auto first = networkCard(nic, 3);
    auto second = networkCard(twin, 5);
    first["driver"] = second["driver"] = "e1000e";
    auto ungrouped = networkCard("0000:00:19.0", 0, "8086:1502");
    ungrouped.erase("group");
    return {{"kernel", "6.12"},
            {"drivers",
             {{{"name", "nouveau"}, {"module", "nouveau"}, {"ids", {"10de::03"}}},
              {{"name", "snd_hda_intel"}, {"module", "snd_hda_intel"}, {"ids", {"::0403"}}},
              {{"name", "e1000e"}, {"module", "e1000e"}, {"ids", {"8086:10d3"}}}}},
            {"root-ports",
             {port("0000:00:01.0", 0, 1), port("0000:00:02.0", 2, 2), port("0000:00:03.0", 4, 3),
              port("0000:00:04.0", 7, 4), port("0000:00:05.0", 8, 5)}},
            {"devices",
             {{{"address", "0000:00:00.0"}, {"ids", "8086:29c0"}, {"class", "060000"}, {"group", 6}},
              ungrouped,
              {{"address", gpu},
               {"ids", "10de:1284"},
               {"subsystem", "1043:8465"},
               {"class", "030000"},
               {"group", 1},
               {"driver", "nouveau"},
               {"numa-node", 0}},
              {{"address", audio},
               {"ids", "10de:0e0f"},
               {"class", "040300"},
               {"group", 1},
               {"driver", "snd_hda_intel"}},
              first,
              second}}};
}

BusTest::BusTest() : folder_(makeFolder()) {}

BusTest::~BusTest() {
    if (HasFailure())
        std::fprintf(stderr, "--- the daemon's log\n%s", log().c_str());
    client_.reset();
    daemon_.reset();
    bus_.reset();
    std::error_code ignored; // what cannot be removed stays in the temporary folder
    std::filesystem::remove_all(folder_, ignored);
}

void BusTest::SetUp() {
    mkdir(stateFolder().c_str(), 0755);
    startBus();
}

void BusTest::startBus() {
    std::string text = busConfiguration;
    text.replace(text.find("@FOLDER@"), std::string("@FOLDER@").size(), folder_);
    writeFile(folder_ + "/bus.conf", text);
    bus_ = std::make_unique<Child>(std::vector<std::string>{"dbus-daemon",
                                                            "--config-file=" + folder_ + "/bus.conf",
                                                            "--nofork", "--print-address"},
                                   std::map<std::string, std::string>{}, folder_ + "/bus.log");
    setenv("DBUS_SESSION_BUS_ADDRESS", bus_->readLine().c_str(), 1);
}

void BusTest::startDaemon(const std::vector<std::string>& machine) {
    auto command = under();
    command.insert(command.end(),
                   {VFIO_BIND_FAKE_BINDD, "--session", "--config", configFile(), "--state", stateFolder()});
    command.insert(command.end(), machine.begin(), machine.end());
    daemon_ = std::make_unique<Child>(command, std::map<std::string, std::string>{}, folder_ + "/log");
    settle();
    client_ = std::make_unique<BusClient>();
}

void BusTest::start(const json& machine) {
    const auto file = folder_ + "/machine.json";
    writeFile(file, machine.dump());
    startDaemon({"--machine", file});
}

void BusTest::startOnListing(const std::string& topologyFile) {
    startDaemon({"--topology", std::string(VFIO_BIND_SOURCE_DIR "/tests/topologies/") + topologyFile});
}

json BusTest::tell(const std::string& command) {
    daemon_->writeLine(command);
    const auto answer = daemon_->readLine();
    if (answer == "ok")
        return nullptr;
    if (answer.starts_with("ok "))
        return json::parse(answer.substr(3));
    throw std::runtime_error(command + ": " + answer);
}

std::string BusTest::driverOf(const std::string& address) {
    return field(machineState().at(address).get<std::string>(), "driver");
}

std::string BusTest::overrideOf(const std::string& address) {
    return field(machineState().at(address).get<std::string>(), "override");
}

void BusTest::restart() {
    tell("restart");
    settle();
    client_->synchronise();
}

Finished BusTest::ctl(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{VFIO_BIND_CTL, "--session"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(command, {{"NO_COLOR", "1"}}, folder_ + "/ctl.err");
}

std::vector<long> BusTest::resources() const {
    const auto process = "/proc/" + std::to_string(daemonPid());
    const auto count = [](const std::string& folder) {
        return std::distance(std::filesystem::directory_iterator(folder),
                             std::filesystem::directory_iterator{});
    };
    long children = 0;
    for (const auto& task : std::filesystem::directory_iterator(process + "/task")) {
        const auto pids = readFile(task.path().string() + "/children");
        children += std::ranges::count(pids, ' ');
    }
    return {count(process + "/fd"), count(process + "/task"), children};
}

void BusTest::TearDown() {
    if (!daemon_ || !audited || !client_)
        return;
    settle();
    EXPECT_EQ(tell("violations"), json::array()) << "the event loop must neither write nor wait";
    EXPECT_EQ(client_->audit(), "");
    EXPECT_EQ(daemon_->terminate(), 0);
    daemon_.reset();
}

} // namespace vfiobind::bustest
