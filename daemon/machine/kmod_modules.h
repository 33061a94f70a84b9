// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "dbus/sdbus_compat.h"
#include "loop/event_loop.h"
#include "machine/kmod_library.h"
#include "machine/modules.h"
#include "rules/module_aliases.h"
#include "sysfs/sysfs.h"

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sys/types.h>
#include <tuple>

namespace vfiobind {

/// Looks modules up with libkmod, and driver "auto" in modules.alias. Has systemd load modules
/// (`modprobe@.service`), so that the daemon needs no CAP_SYS_MODULE (doc/kernel.md 20).
class KmodModules final : public Modules {
public:
    /// `systemBus` is nullptr if there is no systemd to ask; then nothing can be loaded.
    KmodModules(EventLoop& loop, Sysfs& sysfs, sdbus::IConnection* systemBus);
    ~KmodModules() override;

    std::optional<std::vector<std::string>> native(const Ids& ids) override;
    std::string automatic(const Ids& ids) override;
    std::uint64_t revision() override;
    bool loaded(const std::string& module) override;
    void load(std::vector<std::string> modules, std::function<void()> done) override;
    bool canLoad(const std::string& driver) override;
    std::string whyMissing(const std::string& driver) override;
    /// Has systemd reload udevd, so that udevd reads its rules again.
    void reloadUdev();
    void startWatch();

private:
    /// `otherwise` says, for the log, what follows if systemd refuses.
    void askSystemd(const char* member, const std::string& unit, const std::string& otherwise);
    struct Loading;
    using AliasFile = std::tuple<ino_t, off_t, time_t, long>; ///< its inode, size, and time of change
    AliasFile aliasFile() const;
    void forgetIfAliasesChanged();
    std::expected<const Libkmod*, std::string> kmod();
    std::optional<std::vector<Libkmod::Module>> serving(const std::string& alias);
    void unitEnded(const std::string& job);
    void finish(const std::shared_ptr<Loading>& loading);

    EventLoop& loop_;
    Sysfs& sysfs_;
    std::optional<Libkmod> kmod_; ///< from the first look-up on: kmod()
    std::string loggedFault_;     ///< why it could not be had
    std::string aliasPath_;
    std::unique_ptr<sdbus::IProxy> systemd_;
    AliasFile aliasFile_;
    std::uint64_t revision_ = 0;
    std::map<std::string, std::vector<std::string>> nativeByAlias_;
    std::optional<VariantModules> variants_;
    std::vector<std::shared_ptr<Loading>> loading_;
};

} // namespace vfiobind
