// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bindd: everything is wired here.
#include "bus/pump.h"
#include "bus/service.h"
#include "core.h"
#include "dry_run.h"
#include "early_log.h"
#include "lease/systemd_lease_store.h"
#include "log.h"
#include "loop/clock_watch.h"
#include "machine/kmod_modules.h"
#include "machine/udev_monitor.h"
#include "pause/systemd_units.h"
#include "publish/publications.h"
#include "show/status_line.h"
#include "show/udev_files.h"
#include "sysfs/real_sysfs.h"
#include "version.h"
#include "work/fork_executor.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fmt/format.h>
#include <optional>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

namespace {

using namespace vfiobind;

struct Options {
    std::string config = "/etc/vfio-bind.toml";
    std::string stateDirectory = "/run/vfio-bind";
    bool session = false;
    bool dryRun = false;
};

/// Tells systemd that the service is ready when the first pass over the configuration has ended, so that
/// units after vfio-bind-ready.target find their devices. A group that hangs delays that by its rule's
/// timeout.
class Readiness {
public:
    /// The bus name is there, and the first pass goes on.
    void expect(const Core& core) {
        auto longest = std::chrono::milliseconds(0);
        for (const auto& rule : core.intent().policy().rules)
            longest = std::max(longest, rule.timeout);
        constexpr auto forTheRest = std::chrono::seconds(90); // systemd's own default
        const auto patience = std::chrono::microseconds(longest + forTheRest);
        sd_notify(0, fmt::format("EXTEND_TIMEOUT_USEC={}", patience.count()).c_str());
        expected_ = true;
        tell(core);
    }
    void tell(const Core& core) {
        if (!expected_ || told_ || !core.isSettled())
            return;
        told_ = true;
        sd_notify(0, "READY=1");
        spdlog::info("vfio-bindd {} is ready", VFIO_BIND_VERSION);
    }

private:
    bool expected_ = false;
    bool told_ = false;
};

int serve(const Options& options) {
    EventLoop loop;
    RealSysfs sysfs;
    auto connection = options.session ? bus::openSessionBus() : bus::openSystemBus();
    FileJournalStore journals(options.stateDirectory);
    ForkExecutor executor(loop, sysfs, journals, options.stateDirectory);
    KmodModules modules(loop, sysfs, options.session ? nullptr : connection.get());
    SystemdLeaseStore store(loop);
    Core core(loop, sysfs, executor, modules, store,
              {.config = options.config, .stateDirectory = options.stateDirectory});
    std::optional<SystemdUnits> units;
    std::optional<Pauser> pauser;
    if (!options.session) {
        units.emplace(loop, *connection);
        core.pauseWith(pauser.emplace(*units, options.stateDirectory + "/paused.json"));
    }

    // Listening begins before the first look, so that nothing falls in between.
    const UdevMonitor monitor(loop,
                              {.device = [&](const Address& a, EventOrigin o) { core.deviceEvent(a, o); },
                               .node = [&](unsigned group) { core.nodeEvent(group); },
                               .overflow = [&] { core.rescan(); },
                               .deaf = [&] { loop.exit(EXIT_FAILURE); }});
    if (!options.session)
        tellOfEarly(options.stateDirectory);
    core.start();
    bus::Authority authority(loop, *connection);
    bus::Service service(loop, *connection, core, authority);
    std::optional<UdevFiles> udevFiles;
    std::optional<Publications> publications;
    if (!options.session) {
        udevFiles.emplace(modules, UdevFiles::Actions{.rulesChanged = [&] { modules.reloadUdev(); },
                                                      .overridesCame = [&] { modules.startWatch(); }});
        publications.emplace(loop);
        service.addWitness(
            {.changed = [&](const Changes& changes) { publications->note(changes); },
             .jobEnded = [&](const JobView& job,
                             const std::string& result) { publications->jobEnded(job, result); }});
    }
    StatusLine status(loop);
    Readiness readiness;
    const auto sync = loop.afterEach([&] {
        service.sync();
        if (udevFiles)
            udevFiles->sync(core);
        if (publications && core.noteOtherWarnings(publications->sync(core)))
            service.sync();
        status.show(core);
        readiness.tell(core);
    });

    const ClockWatch clock(loop, [&] {
        spdlog::info("the machine has slept, or its clock was set: everything is read again");
        core.rescan();
    });
    const bus::Pump pump(loop, *connection, [&] { loop.exit(EXIT_FAILURE); });
    connection->requestName(bus::BusName{bus::busName});
    const auto onTerm = loop.signal(SIGTERM, [&] { loop.exit(EXIT_SUCCESS); });
    const auto onInt = loop.signal(SIGINT, [&] { loop.exit(EXIT_SUCCESS); });
    const auto onHup = loop.signal(SIGHUP, [&] {
        sd_notify(0, "RELOADING=1");
        (void)core.reload(); // the core has logged why not, and ConfigError shows it
        sd_notify(0, "READY=1");
    });
    loop.watchdog();
    status.show(core);
    readiness.expect(core);
    const int code = loop.run();
    sd_notify(0, "STOPPING=1");
    return code;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app{"Hands PCI devices, whole IOMMU groups of them, to VFIO as /etc/vfio-bind.toml says.",
                 "vfio-bindd"};
    Options options;
    app.add_option("--config", options.config, "the configuration file")->capture_default_str();
    app.add_option("--state", options.stateDirectory, "where run-time state is kept")->capture_default_str();
    app.add_flag("--session", options.session, "serve the session bus, for tests and demos");
    app.add_flag("--dry-run", options.dryRun, "print the plan and exit");
    app.set_version_flag("--version", "vfio-bindd " VFIO_BIND_VERSION);
    CLI11_PARSE(app, argc, argv);
    setUpLog();
    try {
        return options.dryRun ? dryRun(options.config) : serve(options);
    } catch (const std::exception& error) {
        spdlog::critical("{}", error.what());
        return EXIT_FAILURE;
    }
}
