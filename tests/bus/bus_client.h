// SPDX-License-Identifier: LGPL-2.1-or-later
/// A client of the daemon that keeps a copy of its objects by the signals alone, as a management interface
/// would, and holds the daemon to it.
#pragma once

#include "Group-proxy.h"
#include "Manager-proxy.h"
#include "process.h"
#include "values.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vfiobind::bustest {

using Options = std::map<std::string, sdbus::Variant>;

inline constexpr const char* managerInterface = "org.vfiobind1.Manager";
inline constexpr const char* groupInterface = "org.vfiobind1.Group";
inline constexpr const char* deviceInterface = "org.vfiobind1.Device";
inline constexpr const char* jobInterface = "org.vfiobind1.Job";

inline std::string groupPath(unsigned group) {
    return "/org/vfiobind1/group/" + std::to_string(group);
}
/// Of `0000:01:00.0`.
std::string devicePath(std::string address);

class Manager final : public sdbus::ProxyInterfaces<org::vfiobind1::Manager_proxy, sdbus::ObjectManager_proxy,
                                                    sdbus::Properties_proxy> {
public:
    explicit Manager(sdbus::IConnection& connection) :
        ProxyInterfaces(connection, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath}) {
        registerProxy();
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager() { unregisterProxy(); }

private:
    void onJobRemoved(const std::uint32_t&, const sdbus::ObjectPath&, const sdbus::ObjectPath&,
                      const std::string&) override {}
    void onInterfacesAdded(const sdbus::ObjectPath&, const bus::InterfaceMap&) override {}
    void onInterfacesRemoved(const sdbus::ObjectPath&, const std::vector<bus::InterfaceName>&) override {}
    void onPropertiesChanged(const bus::InterfaceName&, const bus::PropertyMap&,
                             const std::vector<bus::PropertyName>&) override {}
};

class Group final : public sdbus::ProxyInterfaces<org::vfiobind1::Group_proxy> {
public:
    Group(sdbus::IConnection& connection, unsigned number) :
        ProxyInterfaces(connection, bus::BusName{bus::busName}, sdbus::ObjectPath{groupPath(number)}) {
        registerProxy();
    }
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    ~Group() { unregisterProxy(); }
};

/// An error that the daemon answered with; the name without `org.vfiobind1.Error.` where it has that.
struct Refusal {
    std::string name;
    std::string message;
};

class BusClient {
public:
    BusClient();
    BusClient(const BusClient&) = delete;
    BusClient& operator=(const BusClient&) = delete;

    sdbus::IConnection& connection() { return *connection_; }
    Manager& manager() { return *manager_; }

    std::vector<std::string> bind(const std::string& target, const Options& options = {});
    std::vector<std::string> release(const std::string& target, const Options& options = {});
    struct CheckResult {
        bool possible = false;
        std::vector<std::string> blockers; ///< codes
        std::vector<std::string> steps;
    };
    CheckResult check(const std::string& target, const Options& options = {});
    json describe() { return json::parse(manager_->Describe()); }
    json property(const std::string& path, const std::string& interface, const std::string& name);
    json group(unsigned number, const std::string& name) {
        return property(groupPath(number), groupInterface, name);
    }
    json device(const std::string& address, const std::string& name) {
        return property(devicePath(address), deviceInterface, name);
    }
    json root(const std::string& name) { return property(bus::rootPath, managerInterface, name); }

    /// What the daemon has now, asked of it; the root's own properties with it.
    Objects objects();
    /// The copy that the signals made.
    const Objects& known() const { return known_; }
    /// Every value that a property had since forget(), by `PATH NAME`.
    const std::map<std::string, std::vector<json>>& changed() const { return changed_; }
    /// Names of the properties of the object that changed since forget().
    std::set<std::string> changedOf(const std::string& path) const;
    std::set<std::string> changedObjects() const;
    void forget() { changed_.clear(); }

    /// Handles messages until the condition holds. Throws std::runtime_error that says what for, at the
    /// deadline.
    void waitFor(const std::string& what, const std::function<bool()>& condition);
    void waitForState(unsigned group, const std::string& state);
    /// The result that JobRemoved told of the job, waited for.
    std::string resultOf(const std::string& job);
    /// Binds or releases, and waits for all jobs: their results.
    std::vector<std::string> bindAndWait(const std::string& target, const Options& options = {});
    std::vector<std::string> releaseAndWait(const std::string& target, const Options& options = {});

    using BindAnswer = std::function<void(bus::AsyncError, const std::vector<sdbus::ObjectPath>&)>;
    /// Asks for a bind and does not wait. The answer comes while messages are handled, as long as what is
    /// returned lives.
    std::unique_ptr<sdbus::IProxy> callBind(const std::string& target, BindAnswer answer);

    /// Takes the daemon's objects as they are for the beginning of the copy.
    void synchronise();
    /// Sentences of what the signals told wrongly, and how the copy differs from what the daemon has. Empty
    /// is right.
    std::string audit();

private:
    void watch();
    void propertiesChanged(const std::string& path, const std::string& interface,
                           const std::map<std::string, json>& now);
    void added(const std::string& path, std::map<std::string, std::map<std::string, json>> interfaces);
    void removed(const std::string& path);
    /// Asks for everything, and hands it over in its place among the signals.
    void inTurn(const std::function<void(Objects)>& take);
    std::vector<std::string> results(const std::vector<std::string>& jobs);

    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<Manager> manager_;
    std::vector<sdbus::Slot> slots_;
    bool live_ = false;
    Objects known_;
    std::map<std::string, std::vector<json>> changed_;
    std::map<std::string, std::string> results_;
    std::string complaints_;
};

/// Calls; the error that came. Throws std::runtime_error when none did.
Refusal refusalOf(const std::function<void()>& call);

} // namespace vfiobind::bustest
