// SPDX-License-Identifier: LGPL-2.1-or-later
// bench-bindd: the daemon as it is, on a copy of the kernel's files and a session bus. What udev would tell
// comes through standard input, a line each:
//
//     kernel ADDRESS | udev ADDRESS     an event of that device, from the kernel or when udev is through with
//     it node GROUP                        a group's node came or went done answered by `done` when all
//     before it is done and told on the bus
//
// It prints `ready` when it serves. The machine's own devices are neither read nor written.
#include "bus/pump.h"
#include "bus/service.h"
#include "core.h"
#include "log.h"
#include "machine/kmod_modules.h"
#include "show/status_line.h"
#include "show/udev_files.h"
#include "sysfs/real_sysfs.h"
#include "work/fork_executor.h"

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <optional>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace {

using namespace vfiobind;

/// The lines of standard input, handed to the core as the udev monitor hands over events: all that are there,
/// in one turn of the loop.
class Events {
public:
    Events(EventLoop& loop, Core& core) : loop_(loop), core_(core) {
        io_ = loop.io(STDIN_FILENO, EPOLLIN, [this] { receive(); });
    }

private:
    void receive() {
        std::array<char, 65536> buffer{};
        const auto got = read(STDIN_FILENO, buffer.data(), buffer.size());
        if (got <= 0)
            return loop_.exit(EXIT_SUCCESS);
        pending_.append(buffer.data(), static_cast<std::size_t>(got));
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1)
            carryOut(std::string_view(pending_).substr(begin, end - begin));
        pending_.erase(0, begin);
    }

    void carryOut(std::string_view line) {
        const auto space = line.find(' ');
        const auto verb = line.substr(0, space);
        const auto word = space == std::string_view::npos ? "" : line.substr(space + 1);
        const auto address = Address::parse(word);
        unsigned group = 0;
        if (verb == "kernel" && address)
            core_.deviceEvent(*address, EventOrigin::kernel);
        else if (verb == "udev" && address)
            core_.deviceEvent(*address, EventOrigin::udev);
        else if (verb == "node" &&
                 std::from_chars(word.data(), word.data() + word.size(), group).ec == std::errc{})
            core_.nodeEvent(group);
        else if (verb == "done")
            // In a later turn than the events: what they have changed is told then.
            answer_ = loop_.soon([this] {
                answer_.reset();
                say("done");
            });
        else
            throw std::invalid_argument("a line that is no event: " + std::string(line));
    }

public:
    static void say(const char* word) {
        std::puts(word);
        std::fflush(stdout);
    }

private:
    EventLoop& loop_;
    Core& core_;
    std::string pending_;
    EventSource io_;
    EventSource answer_;
};

/// What main.cpp of vfio-bindd wires, but for udev's socket and systemd.
int serve(const std::string& root, const std::string& config, const std::string& state) {
    EventLoop loop;
    RealSysfs sysfs(root);
    auto connection = bus::openSessionBus();
    FileJournalStore journals(state);
    ForkExecutor executor(loop, sysfs, journals, state);
    KmodModules modules(loop, sysfs, nullptr);
    NoLeaseStore store;
    Core core(loop, sysfs, executor, modules, store, {.config = config, .stateDirectory = state});
    core.start();
    bus::Authority authority(loop, *connection);
    bus::Service service(loop, *connection, core, authority);
    UdevFiles udevFiles(modules, {.rulesChanged = [] {}, .overridesCame = [] {}}, root);
    StatusLine status(loop);
    const auto sync = loop.afterEach([&] {
        service.sync();
        udevFiles.sync(core);
        status.show(core);
    });
    const bus::Pump pump(loop, *connection, [&] { loop.exit(EXIT_FAILURE); });
    connection->requestName(bus::BusName{bus::busName});
    const Events events(loop, core);
    const auto onTerm = loop.signal(SIGTERM, [&] { loop.exit(EXIT_SUCCESS); });
    status.show(core);
    Events::say("ready");
    return loop.run();
}

} // namespace

int main(int argc, char** argv) {
    setUpLog();
    try {
        if (argc != 4)
            throw std::invalid_argument("usage: bench-bindd ROOT CONFIG STATE-DIRECTORY");
        return serve(argv[1], argv[2], argv[3]);
    } catch (const std::exception& error) {
        spdlog::critical("{}", error.what());
        return EXIT_FAILURE;
    }
}
