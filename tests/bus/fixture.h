// SPDX-License-Identifier: LGPL-2.1-or-later
/// A bus of its own and fake-bindd on it for each test.
#pragma once

#include "bus_client.h"
#include "process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

namespace vfiobind::bustest {

inline const std::string gpu = "0000:01:00.0";
inline const std::string audio = "0000:01:00.1";
inline const std::string nic = "0000:02:00.0";
inline const std::string twin = "0000:03:00.0";

/// Root ports in groups 0, 2 and 4; a card of two functions in group 1, two equal NICs in groups 3 and 5; a
/// host bridge in group 6 and an Ethernet port without an IOMMU group; their native drivers; vfio-pci; two
/// empty slots behind buses 4 and 5.
json standardMachine();
/// `{"address": ..., "ids": "8086:10d3", "class": "020000", "group": N}`
json networkCard(const std::string& address, unsigned group, const std::string& ids = "8086:10d3");

inline sdbus::Variant text(const std::string& value) {
    return sdbus::Variant(value);
}
inline sdbus::Variant texts(std::vector<std::string> values) {
    return sdbus::Variant(std::move(values));
}

class BusTest : public testing::Test {
protected:
    BusTest();
    ~BusTest() override;
    void SetUp() override;
    /// Looks that the event loop did nothing that can block, that every signal was true, and ends the daemon.
    void TearDown() override;

    const std::string& folder() const { return folder_; }
    std::string configFile() const { return folder_ + "/vfio-bind.toml"; }
    std::string dropIns() const { return folder_ + "/vfio-bind.d"; }
    std::string stateFolder() const { return folder_ + "/run"; }
    void configure(const std::string& toml) const { writeFile(configFile(), toml); }

    /// Starts the daemon and waits until it has nothing to do.
    void start(const json& machine = standardMachine());
    void startOnListing(const std::string& topologyFile);

    /// One command of control.h; its answer's JSON. Throws with the sentence when it is refused.
    json tell(const std::string& command);
    void settle() { tell("settle"); }
    /// The writes that reached the kernel since `clear-writes`.
    std::vector<std::string> writes() { return tell("writes").get<std::vector<std::string>>(); }
    std::string driverOf(const std::string& address);
    std::string overrideOf(const std::string& address);
    /// Drivers and overrides of all devices.
    json machineState() { return tell("state"); }
    /// Ends the daemon and starts another on the same kernel.
    void restart();

    BusClient& client() { return *client_; }
    int daemonPid() const { return daemon_->pid(); }
    int busPid() const { return bus_->pid(); }
    std::string log() const { return readFile(folder_ + "/log"); }
    /// How many descriptors, threads and children the daemon has.
    std::vector<long> resources() const;

    /// vfio-bindctl --session with the arguments.
    Finished ctl(const std::vector<std::string>& arguments);

    /// Whether TearDown may ask: not where a test has ended the daemon itself.
    bool audited = true;

private:
    void startBus();
    void startDaemon(const std::vector<std::string>& machine);

    std::string folder_;
    std::unique_ptr<Child> bus_;
    std::unique_ptr<Child> daemon_;
    std::unique_ptr<BusClient> client_;
};

} // namespace vfiobind::bustest
