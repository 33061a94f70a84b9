// SPDX-License-Identifier: LGPL-2.1-or-later
// fake-bindd: the daemon as it is, on a fake kernel that a test moves through standard input (control.h).
#include "bus/pump.h"
#include "bus/service.h"
#include "control.h"
#include "core.h"
#include "fake/fake_lease_store.h"
#include "fake_modules.h"
#include "fake_uevents.h"
#include "inline_executor.h"
#include "log.h"
#include "loop_sysfs.h"
#include "machine/udev_monitor.h"
#include "machine_file.h"
#include "pause/systemd_units.h"
#include "publish/publications.h"
#include "show/status_line.h"
#include "show/udev_files.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <spdlog/spdlog.h>

namespace {

using namespace vfiobind;

struct Options {
    std::string config;
    std::string stateDirectory;
    std::string topology;
    std::string machine;
    bool session = false;
};

/// What main.cpp of vfio-bindd wires, but for the kernel.
class Daemon {
public:
    Daemon(EventLoop& loop, Sysfs& sysfs, Executor& executor, Modules& modules, LeaseStore& store,
           const Options& options) :
        connection_(options.session ? bus::openSessionBus() : bus::openSystemBus()),
        core_(loop, sysfs, executor, modules, store,
              {.config = options.config, .stateDirectory = options.stateDirectory}),
        authority_(loop, *connection_), units_(loop, *connection_),
        pauser_(units_, options.stateDirectory + "/paused.json"),
        files_(modules,
               {.rulesChanged = [] {}, .overridesCame = [] { spdlog::info("the watch is started"); }},
               options.stateDirectory + "/files"),
        publications_(loop, options.stateDirectory + "/files"), status_(loop) {
        std::error_code readOnly; // then what is published cannot be written, and a warning says so
        std::filesystem::create_directories(options.stateDirectory + "/files/run/vfio-bind", readOnly);
        core_.pauseWith(pauser_);
        core_.start();
        service_.emplace(loop, *connection_, core_, authority_);
        service_->addWitness(
            {.changed = [this](const Changes& changes) { publications_.note(changes); },
             .jobEnded = [this](const JobView& job,
                                const std::string& result) { publications_.jobEnded(job, result); }});
        sync_ = loop.afterEach([this] {
            service_->sync();
            files_.sync(core_);
            if (core_.noteOtherWarnings(publications_.sync(core_)))
                service_->sync();
            status_.show(core_);
        });
        pump_.emplace(loop, *connection_, [&loop] { loop.exit(EXIT_FAILURE); });
        connection_->requestName(bus::BusName{bus::busName});
    }

    Core& core() { return core_; }

private:
    std::unique_ptr<sdbus::IConnection> connection_;
    Core core_;
    bus::Authority authority_;
    SystemdUnits units_; ///< of the test's systemd (fake_systemd.h), if there is one
    Pauser pauser_;
    UdevFiles files_;
    Publications publications_;
    StatusLine status_;
    std::optional<bus::Service> service_;
    EventSource sync_;
    std::optional<bus::Pump> pump_;
};

int serve(const Options& options) {
    FakeKernel kernel;
    if (!options.topology.empty())
        kernel.loadTopologyFile(options.topology);
    if (!options.machine.empty())
        loadMachine(kernel, options.machine);
    EventLoop loop;
    LoopSysfs sysfs(kernel);
    InlineExecutor executor(loop, kernel, options.stateDirectory);
    FakeModules modules(loop, kernel);
    FakeLeaseStore store;
    std::optional<Daemon> daemon;
    FakeUevents uevents(loop, kernel, [&]() -> Core& { return daemon->core(); });
    const auto begin = [&] {
        daemon.reset();
        uevents.forget();
        daemon.emplace(loop, sysfs, executor, modules, store, options);
    };
    begin();
    const auto onTerm = loop.signal(SIGTERM, [&] { loop.exit(EXIT_SUCCESS); });
    const auto onHup = loop.signal(SIGHUP, [&] { (void)daemon->core().reload(); });
    const Control control(loop, kernel,
                          {.kernelMoved = [&] { executor.look(); },
                           .idle = [&] { return executor.idle() && uevents.idle() && modules.idle(); },
                           .restart = begin,
                           .loseStore = [&] { store.lose(); },
                           .storedLeases = [&] { return store.size(); },
                           .noProcesses = [&](bool none) { executor.noProcesses = none; },
                           .noIndex = [&] { modules.noIndex = true; },
                           .silentWorkers = [&](bool silent) { executor.silentWorkers = silent; },
                           .dyingWorkers = [&](unsigned count) { executor.dyingWorkers = count; },
                           .looks = [&] { return executor.looks; },
                           .atWord = [&](auto happens) { executor.beforeWord = std::move(happens); },
                           .udevRuns = [&](bool runs) { uevents.udevRuns = runs; },
                           .overflow = [&] { daemon->core().rescan(); },
                           .violations = [&] { return sysfs.violations(); },
                           .hungUp = [&] { loop.exit(EXIT_SUCCESS); }});
    spdlog::info("fake-bindd is ready");
    const int code = loop.run();
    daemon.reset();
    return code;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"The daemon on a fake kernel, for tests.", "fake-bindd"};
    Options options;
    app.add_option("--config", options.config, "the configuration file")->required();
    app.add_option("--state", options.stateDirectory, "where run-time state is kept")->required();
    app.add_option("--topology", options.topology, "a listing of tests/topologies");
    app.add_option("--machine", options.machine, "a machine as machine_file.h has it");
    app.add_flag("--session", options.session, "serve the session bus");
    CLI11_PARSE(app, argc, argv);
    setUpLog();
    try {
        return serve(options);
    } catch (const std::exception& error) {
        spdlog::critical("{}", error.what());
        return EXIT_FAILURE;
    }
}
