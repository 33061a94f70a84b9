// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine/kmod_modules.h"

#include "modules/module_state.h"
#include "sysfs/descriptor.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <spdlog/spdlog.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <system_error>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

constexpr auto systemdName = "org.freedesktop.systemd1";
constexpr auto managerInterface = "org.freedesktop.systemd1.Manager";
/// How long loading may take. A module that takes longer is reported missing; systemd goes on loading it.
constexpr auto loadLimit = 20s;

std::string moduleName(std::string driver) {
    std::ranges::replace(driver, '-', '_');
    return driver;
}

std::string kernelRelease() {
    utsname names{};
    uname(&names);
    return names.release;
}

void warnOf(const std::string& alias, int code) {
    spdlog::warn("which modules serve {} cannot be looked up: {}", alias,
                 std::generic_category().message(code));
}

} // namespace

struct KmodModules::Loading {
    std::set<std::string> waitingFor; ///< object paths of systemd's jobs
    unsigned starting = 0;            ///< StartUnit calls without an answer
    std::function<void()> done;
    EventSource limit;
};

KmodModules::KmodModules(EventLoop& loop, Sysfs& sysfs, sdbus::IConnection* systemBus) :
    loop_(loop), sysfs_(sysfs), aliasPath_(fmt::format("/lib/modules/{}/modules.alias", kernelRelease())),
    aliasFile_(aliasFile()) {
    if (systemBus == nullptr)
        return;
    systemd_ = sdbus::createProxy(*systemBus, bus::BusName{systemdName},
                                  sdbus::ObjectPath{"/org/freedesktop/systemd1"});
    systemd_->uponSignal("JobRemoved")
        .onInterface(managerInterface)
        .call([this](std::uint32_t, const sdbus::ObjectPath& job, const std::string&, const std::string&) {
            unitEnded(job);
        });
    bus::finishRegistration(*systemd_);
    // Without Subscribe systemd sends no JobRemoved.
    systemd_->callMethodAsync("Subscribe").onInterface(managerInterface).uponReplyInvoke([](bus::AsyncError) {
    });
}

KmodModules::~KmodModules() = default;

/// Loads libkmod, and tries again at each call, since the process can have run out of descriptors before.
/// Logs the same fault once, since anybody may cause look-ups over D-Bus.
std::expected<const Libkmod*, std::string> KmodModules::kmod() {
    if (kmod_)
        return &*kmod_;
    try {
        kmod_.emplace();
        return &*kmod_;
    } catch (const std::runtime_error& error) {
        if (loggedFault_ != error.what())
            spdlog::error("what modules there are cannot be told: {}", error.what());
        loggedFault_ = error.what();
        return std::unexpected(loggedFault_);
    }
}

/// Returns the modules that serve the alias, or nothing if that cannot be found out now; nothing is not
/// cached.
std::optional<std::vector<Libkmod::Module>> KmodModules::serving(const std::string& alias) {
    const auto library = kmod();
    if (!library)
        return std::nullopt;
    // Check that the index can be opened, since libkmod takes an index that it cannot open for an empty one,
    // also if descriptors have run out.
    const auto index = (*library)->directory() + "/modules.alias.bin";
    const int fault = Descriptor(index, O_RDONLY).get() < 0 ? errno : 0;
    if (fault == ENOENT)
        return std::vector<Libkmod::Module>{}; // a kernel without modules
    if (fault != 0) {
        warnOf(alias, fault);
        return std::nullopt;
    }
    auto found = (*library)->serving(alias);
    if (!found) {
        warnOf(alias, -found.error());
        return std::nullopt;
    }
    return std::move(*found);
}

KmodModules::AliasFile KmodModules::aliasFile() const {
    struct stat now{};
    if (stat(aliasPath_.c_str(), &now) != 0)
        now = {};
    return {now.st_ino, now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec};
}

/// Look-ups are cached until depmod(8) writes the aliases anew.
void KmodModules::forgetIfAliasesChanged() {
    const auto seen = aliasFile();
    if (seen == aliasFile_)
        return;
    aliasFile_ = seen;
    ++revision_;
    nativeByAlias_.clear();
    variants_.reset();
}

std::uint64_t KmodModules::revision() {
    forgetIfAliasesChanged();
    return revision_;
}

std::optional<std::vector<std::string>> KmodModules::native(const Ids& ids) {
    forgetIfAliasesChanged();
    const auto alias = ids.modalias();
    if (const auto known = nativeByAlias_.find(alias); known != nativeByAlias_.end())
        return known->second;
    const auto found = serving(alias);
    if (!found)
        return std::nullopt;
    // A module with several aliases for the device is found by each.
    std::vector<std::string> names;
    for (const auto& module : *found)
        if (auto name = module.name(); name != "vfio_pci" && std::ranges::find(names, name) == names.end())
            names.push_back(std::move(name));
    return nativeByAlias_[alias] = std::move(names);
}

std::string KmodModules::automatic(const Ids& ids) {
    forgetIfAliasesChanged();
    if (!variants_) {
        auto variants = VariantModules::ofFile(aliasPath_);
        if (!variants) {
            spdlog::warn("a device of driver \"auto\" gets vfio-pci: {}", variants.error().str());
            return "vfio-pci";
        }
        variants_ = std::move(*variants);
    }
    return variants_->of(ids);
}

bool KmodModules::loaded(const std::string& module) {
    return sysfs_.exists("/sys/module/" + moduleName(module));
}

void KmodModules::load(std::vector<std::string> modules, std::function<void()> done) {
    auto loading = std::make_shared<Loading>();
    loading->done = std::move(done);
    loading_.push_back(loading);
    loading->limit = loop_.timer(loadLimit, [this, loading] { finish(loading); });
    if (systemd_ == nullptr) {
        loading->limit = loop_.soon([this, loading] { finish(loading); });
        return;
    }
    for (const auto& name : modules) {
        const auto unit = fmt::format("modprobe@{}.service", moduleName(name));
        spdlog::info("loading module {} ({})", moduleName(name), unit);
        ++loading->starting;
        systemd_->callMethodAsync("StartUnit")
            .onInterface(managerInterface)
            .withArguments(unit, std::string("replace"))
            .uponReplyInvoke([this, loading, unit](bus::AsyncError error, const sdbus::ObjectPath& job) {
                --loading->starting;
                if (error)
                    spdlog::warn("systemd does not start {}: {}", unit, error->getMessage());
                else
                    loading->waitingFor.insert(job);
                if (loading->starting == 0 && loading->waitingFor.empty())
                    finish(loading);
            });
    }
}

void KmodModules::unitEnded(const std::string& job) {
    const auto all = loading_; // a copy, since finish() removes from it
    for (const auto& loading : all)
        if (loading->waitingFor.erase(job) != 0 && loading->waitingFor.empty() && loading->starting == 0)
            finish(loading);
}

void KmodModules::finish(const std::shared_ptr<Loading>& loading) {
    if (std::erase(loading_, loading) == 0)
        return;
    loading->limit.reset();
    loading->done();
}

bool KmodModules::canLoad(const std::string& driver) {
    return moduleVerdict(sysfs_, driver).loadable();
}

void KmodModules::askSystemd(const char* member, const std::string& unit, const std::string& otherwise) {
    if (systemd_ == nullptr)
        return;
    systemd_->callMethodAsync(member)
        .onInterface(managerInterface)
        .withArguments(unit, std::string("replace"))
        .uponReplyInvoke([otherwise](bus::AsyncError error, const sdbus::ObjectPath&) {
            if (error)
                spdlog::warn("{}: {}", otherwise, error->getMessage());
        });
}

void KmodModules::reloadUdev() {
    askSystemd("ReloadUnit", "systemd-udevd.service",
               "udevd notices the changed rules within three seconds only");
}

void KmodModules::startWatch() {
    askSystemd("StartUnit", "vfio-bind-watch.service",
               "a native driver that is loaded may take what is plugged in first");
}

std::string KmodModules::whyMissing(const std::string& driver) {
    const auto verdict = moduleVerdict(sysfs_, driver);
    if (verdict.state == ModuleState::noName)
        return verdict.sentence;
    if (verdict.state == ModuleState::builtIn)
        return fmt::format(
            "driver {} is built into the kernel, but /sys/bus/pci/drivers/{} is not there; does it drive "
            "PCI devices?",
            driver, driver);
    if (!verdict.loadable())
        return fmt::format("driver {} is not there: module {}; {}", driver, verdict.sentence, verdict.remedy);
    const auto name = moduleName(driver);
    if (systemd_ == nullptr)
        return fmt::format(
            "driver {} is not there, and there is no systemd to load its module; run modprobe {}", driver,
            name);
    return fmt::format("driver {} is not there: module {} could not be loaded; `journalctl -u modprobe@{}` "
                       "and `dmesg` tell why",
                       driver, name, name);
}

} // namespace vfiobind
