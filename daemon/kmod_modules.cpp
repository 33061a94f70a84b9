// SPDX-License-Identifier: LGPL-2.1-or-later
#include "kmod_modules.h"

#include <algorithm>
#include <cerrno>
#include <expected>
#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

constexpr auto systemdName = "org.freedesktop.systemd1";
constexpr auto managerInterface = "org.freedesktop.systemd1.Manager";
/// A module that takes longer is reported missing; systemd goes on loading it.
constexpr auto loadLimit = 20s;

struct ModuleUnref {
    void operator()(kmod_module* module) const { kmod_module_unref(module); }
};
using Module = std::unique_ptr<kmod_module, ModuleUnref>;

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
                 std::generic_category().message(-code));
}

/// The fewest wildcards among the module's aliases that fit; -1 where none fits. The error is a negative
/// errno.
std::expected<long, int> wildcards(kmod_module* module, const std::string& alias) {
    kmod_list* info = nullptr;
    if (const int code = kmod_module_get_info(module, &info); code < 0)
        return std::unexpected(code);
    long best = -1;
    for (kmod_list* item = info; item != nullptr; item = kmod_list_next(info, item)) {
        const char* value = kmod_module_info_get_value(item);
        if (std::string_view(kmod_module_info_get_key(item)) != "alias" ||
            fnmatch(value, alias.c_str(), 0) != 0)
            continue;
        const auto count = std::ranges::count(std::string_view(value), '*');
        best = best < 0 ? count : std::min<long>(best, count);
    }
    kmod_module_info_free_list(info);
    return best;
}

} // namespace

struct KmodModules::Loading {
    std::set<std::string> waitingFor; ///< object paths of systemd's jobs
    unsigned starting = 0;            ///< StartUnit calls without an answer
    std::function<void()> done;
    EventSource limit;
};

KmodModules::KmodModules(EventLoop& loop, Sysfs& sysfs, sdbus::IConnection* systemBus) :
    loop_(loop), sysfs_(sysfs), kmod_(kmod_new(nullptr, nullptr)) {
    if (!kmod_)
        throw std::runtime_error("libkmod cannot be set up (kmod_new)");
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
    // Without it systemd sends no JobRemoved.
    systemd_->callMethodAsync("Subscribe").onInterface(managerInterface).uponReplyInvoke([](bus::AsyncError) {
    });
}

KmodModules::~KmodModules() = default;

/// Nothing where libkmod cannot tell: that is not kept.
std::optional<KmodModules::ModuleList> KmodModules::serving(const std::string& alias) const {
    // An index that libkmod cannot open is an empty one to it (kmod 30), also where descriptors have run out.
    const int fd = open(aliasPath().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return ModuleList{}; // a kernel of one piece
    if (fd < 0) {
        warnOf(alias, -errno);
        return std::nullopt;
    }
    close(fd);
    kmod_list* raw = nullptr;
    if (const int code = kmod_module_new_from_lookup(kmod_.get(), alias.c_str(), &raw); code < 0) {
        warnOf(alias, code);
        return std::nullopt;
    }
    return ModuleList(raw);
}

std::optional<std::vector<std::string>> KmodModules::lookUp(const std::string& alias) const {
    const auto found = serving(alias);
    if (!found)
        return std::nullopt;
    const auto& list = *found;
    std::vector<std::string> names;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, list.get()) {
        const Module module(kmod_module_get_module(item));
        names.emplace_back(kmod_module_get_name(module.get()));
    }
    return names;
}

std::string KmodModules::aliasPath() const {
    return fmt::format("{}/modules.alias.bin", kmod_get_dirname(kmod_.get()));
}

/// What was looked up holds until depmod(8) writes the aliases anew.
void KmodModules::forgetIfAliasesChanged() {
    struct stat now{};
    if (stat(aliasPath().c_str(), &now) != 0)
        now = {};
    const AliasFile seen{now.st_ino, now.st_size, now.st_mtim.tv_sec, now.st_mtim.tv_nsec};
    if (seen == aliasFile_)
        return;
    aliasFile_ = seen;
    ++revision_;
    nativeByAlias_.clear();
    automaticByAlias_.clear();
}

std::uint64_t KmodModules::revision() {
    forgetIfAliasesChanged();
    return revision_;
}

std::vector<std::string> KmodModules::native(const Ids& ids) {
    forgetIfAliasesChanged();
    const auto alias = ids.modalias();
    if (const auto known = nativeByAlias_.find(alias); known != nativeByAlias_.end())
        return known->second;
    auto names = lookUp(alias);
    if (!names)
        return {};
    std::erase(*names, "vfio_pci");
    return nativeByAlias_[alias] = std::move(*names);
}

std::string KmodModules::automatic(const Ids& ids) {
    forgetIfAliasesChanged();
    const auto alias = "vfio_" + ids.modalias();
    if (const auto known = automaticByAlias_.find(alias); known != automaticByAlias_.end())
        return known->second;
    auto best = bestVariant(alias);
    if (!best)
        return "vfio-pci";
    return automaticByAlias_[alias] = std::move(*best);
}

std::optional<std::string> KmodModules::bestVariant(const std::string& alias) const {
    const auto found = serving(alias);
    if (!found)
        return std::nullopt;
    const auto& list = *found;
    std::string best = "vfio-pci";
    long fewest = -1;
    kmod_list* item = nullptr;
    kmod_list_foreach(item, list.get()) {
        const Module module(kmod_module_get_module(item));
        const std::string name = kmod_module_get_name(module.get());
        if (name == "vfio_pci")
            continue;
        const auto count = wildcards(module.get(), alias);
        if (!count) {
            warnOf(alias, count.error());
            return std::nullopt;
        }
        if (*count < 0 || (fewest >= 0 && *count >= fewest))
            continue;
        fewest = *count;
        best = name;
    }
    return best;
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
    const auto all = loading_; // finish() takes out of it
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
    kmod_module* raw = nullptr;
    if (kmod_module_new_from_name(kmod_.get(), moduleName(driver).c_str(), &raw) < 0)
        return false;
    const Module module(raw);
    return kmod_module_get_path(module.get()) != nullptr &&
           kmod_module_get_install_commands(module.get()) == nullptr;
}

void KmodModules::reloadUdev() {
    if (systemd_ == nullptr)
        return;
    systemd_->callMethodAsync("ReloadUnit")
        .onInterface(managerInterface)
        .withArguments(std::string("systemd-udevd.service"), std::string("replace"))
        .uponReplyInvoke([](bus::AsyncError error, const sdbus::ObjectPath&) {
            if (error)
                spdlog::warn("udevd notices the changed rules within three seconds only: {}",
                             error->getMessage());
        });
}

std::string KmodModules::whyMissing(const std::string& driver) {
    const auto name = moduleName(driver);
    kmod_module* raw = nullptr;
    if (kmod_module_new_from_name(kmod_.get(), name.c_str(), &raw) < 0)
        return fmt::format("'{}' is no module's name", driver);
    const Module module(raw);
    if (kmod_module_get_initstate(module.get()) == KMOD_MODULE_BUILTIN)
        return fmt::format(
            "driver {} is built into the kernel, but /sys/bus/pci/drivers/{} is not there; does it drive "
            "PCI devices?",
            driver, driver);
    if (kmod_module_get_path(module.get()) == nullptr)
        return fmt::format("driver {} is not there: module {} is not installed for kernel {}; install the "
                           "package that has it, "
                           "or name another driver",
                           driver, name, kernelRelease());
    if (const char* command = kmod_module_get_install_commands(module.get()))
        return fmt::format(
            "driver {} is not there: modprobe.d has 'install {} {}' in place of its module; remove that line",
            driver, name, command);
    if (systemd_ == nullptr)
        return fmt::format(
            "driver {} is not there, and there is no systemd to load its module; run modprobe {}", driver,
            name);
    return fmt::format("driver {} is not there: module {} could not be loaded; `journalctl -u modprobe@{}` "
                       "and `dmesg` tell why",
                       driver, name, name);
}

} // namespace vfiobind
