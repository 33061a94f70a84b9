// SPDX-License-Identifier: LGPL-2.1-or-later
/// An in-memory model of the Linux PCI driver core, IOMMU groups and VFIO behind the library's seam.
///
/// Modelled after drivers/pci/pci-driver.c, drivers/base/{bus,dd,core}.c, drivers/pci/iov.c, drivers/vfio/
/// and drivers/iommu/iommu.c of Linux 6.1. Where it differs from a real kernel, it is wrong. It is a value: a
/// copy is a machine of its own in the same state.
#pragma once

#include "fake/model.h"
#include "sysfs/sysfs.h"

#include <expected>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind {

class FakeKernel final : public Sysfs {
public:
    /// The process that called is dead: thrown at a kill fault, and at every further access until
    /// newProcess().
    struct Killed {};
    /// The call does not return: the caller is in D state. Other callers may go on.
    struct Hung {
        std::string path;
    };

    FakeKernel();

    // ---- the machine, as it is when the program starts: nothing probes, no uevents (device_model.cpp)
    void addDriver(FakeDriver driver);                       ///< its module is loaded
    void addUnloadedModule(std::vector<FakeDriver> drivers); ///< all of one module, known to modprobe
    void addVfioPci(bool loaded = true); ///< vfio-pci with its modules and their parameters
    void addDevice(FakeDevice device);
    /// A PCI Express root port (or any bridge of class 0604) on pcieport; gives the number of the bus behind
    /// it.
    unsigned addRootPort(const std::string& address, std::optional<unsigned> group = {},
                         std::optional<unsigned> secondaryBus = {});
    /// The root bus (`10000:e0`) of a domain lies behind a PCI device, as VMD's do.
    void addRootBus(const std::string& bus, const std::string& parentDevice);
    /// Reads one of tests/topologies; fills what the listing lacks (topology_file.cpp).
    void loadTopologyFile(const std::string& path);
    /// A plain file, symbolic link or directory; the parents are made. Paths may go through links.
    void putFile(const std::string& path, std::string content, bool writable = false);
    void putLink(const std::string& path, std::string target);
    void putDirectory(const std::string& path);
    void dropPath(const std::string& path);
    void addNode(const FakeNode& node); ///< with what sysfs and /dev show of it (nodes.cpp)
    /// A process has the device open; the link of its descriptor shows any path.
    void openNode(const FakeOpen& open);
    void closeNode(const FakeOpen& open) { dropPath(open.path()); }
    /// So many folders of the folder are of another network namespace: counted, and not to be seen.
    void hideFolders(const std::string& folder, std::size_t count) { hiddenFolders_[folder] = count; }
    /// What opening the block device exclusively is answered with: EBUSY where it is claimed.
    void refuseExclusive(const DeviceNumber& number, int code) { exclusive_[number] = code; }
    void setGroupType(unsigned group, std::string type) { groupTypes_[group] = std::move(type); }
    void setReservedRegions(unsigned group, std::string text) { reservedRegions_[group] = std::move(text); }
    void setIommu(std::vector<std::string> units) { iommuUnits_ = std::move(units); } ///< default `dmar0`

    // ---- switches
    FakeVersion version = FakeVersion::v6_1;
    std::string unsetOverrideReads = "(null)"; ///< "" on other kernels
    bool noiommuBuilt = true;                  ///< CONFIG_VFIO_NOIOMMU, which Debian leaves out
    bool cdevsBuilt = true; ///< CONFIG_VFIO_DEVICE_CDEV, which Debian leaves out; Linux 6.6 and later
    bool hasCdevs() const { return version == FakeVersion::v6_12 && cdevsBuilt; }
    bool addWindow = false; ///< a hot-plugged device is not matched until finishAdd()
    bool lateLinks = false; ///< a virtual function has no physfn, nor its PF a virtfn, until linkFunctions()
    std::function<void(const FakeUevent&)> onUevent;

    // ---- what others do to the machine
    void hotplug(FakeDevice device);
    void finishAdd(const std::string& address); ///< ends the add window: the kernel attaches a driver
    void linkFunctions();                       ///< pci_iov_sysfs_link, and its uevents
    void unplug(const std::string& address); ///< surprise removal; VFs and devices behind a bridge go first
    void loadModule(const std::string& module);
    void unloadModule(const std::string& module);
    /// 0, or the errno that the process gets: ENOENT no node, EBUSY held by another, EPERM group not viable,
    /// EINVAL the firmware wants a direct mapping.
    [[nodiscard]] int startHolder(FakeHolder holder);
    void endProcess(int pid);
    SysResult<void> writeAsOther(const std::string& path,
                                 std::string_view data); ///< unrecorded, never faulted

    // ---- Sysfs
    SysResult<std::string> read(const std::string& path, std::size_t limit = 65536) const override;
    SysResult<void> write(const std::string& path, std::string_view data) override;
    SysResult<std::vector<std::string>> list(const std::string& path) const override;
    SysResult<std::string> link(const std::string& path) const override;
    SysResult<std::size_t> countedFolders(const std::string& path) const override;
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override;
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const override;
    bool exists(const std::string& path) const override;

    // ---- faults and observations
    void failAt(std::size_t nth, Fault fault); ///< at the nth write from now, 0 the next
    void failWhen(std::function<bool(const FakeWrite&)> when, Fault fault, unsigned times = 1);
    std::function<bool(const FakeWrite&)> neverFail; ///< writes that no fault hits
    void clearFaults() { faults_.clear(); }
    unsigned faultsHit() const { return faultsHit_; }
    void finishHang(); ///< what hung by a fault returns: its effect completes
    bool anythingHangs() const { return !pending_.empty(); }
    void newProcess() { dead_ = false; } ///< after Killed: another process looks at the machine
    const std::vector<FakeWrite>& writes() const { return writes_; }
    void clearWrites() { writes_.clear(); }
    /// Files read that take a device's lock (`driver_override` before 6.12, `uevent`, `sriov_numvfs`).
    const std::vector<std::string>& lockedReads() const { return lockedReads_; }
    void clearLockedReads() { lockedReads_.clear(); }
    /// The block devices that were opened exclusively and closed again.
    const std::vector<std::string>& exclusiveOpens() const { return exclusiveOpens_; }

    std::string driverOf(const std::string& address) const; ///< as its `driver` link says; empty for none
    std::string overrideOf(const std::string& address) const;
    bool present(const std::string& address) const { return functions_.contains(address); }
    bool groupViable(unsigned group) const; ///< VFIO_GROUP_GET_STATUS's flag
    /// Every device's driver and override and every dynamic id: equal strings are equal machines to a user.
    std::map<std::string, std::string> state() const;
    static std::string str(const std::map<std::string, std::string>& state);
    std::string modulesAlias() const; ///< /lib/modules/RELEASE/modules.alias for all known modules

private:
    struct Function : FakeDevice {
        std::string place;       ///< canonical directory below /sys/devices
        bool driverLink = false; ///< gone while an unbind hangs
        bool matchable = true;
        unsigned locks = 0;
        std::string physfn;
        bool linked = true; ///< physfn and virtfn are to be seen
        std::vector<std::string> vfs;
        bool vfAutoprobe = true;
        std::string possibleResets; ///< were it alone on its bus
        std::string enabledResets;
        std::optional<unsigned> vfioIndex;
        bool noiommuGroup = false;
    };
    struct Driver : FakeDriver {
        std::vector<FakeId> table, overrideTable, dynamicIds;
    };
    struct Module {
        bool loaded = false;
        std::vector<FakeDriver> drivers;
        std::map<std::string, std::string> parameters;
    };
    struct Node {
        enum class Type { file, directory, link };
        Type type = Type::file;
        std::string text; ///< content or target
        bool writable = false;
    };
    using Continuation = std::function<void(FakeKernel&)>;
    /// What completes when a hang ends: when the holders of `waitsForHolders` leave, when the lock of
    /// `waitsForLock` is free ("rescan" is the global one), or, both empty, at finishHang().
    struct Pending {
        std::string waitsForHolders{};
        std::string waitsForLock{};
        Continuation finish{};
        bool rescanLock = false; ///< held meanwhile
    };
    /// The caller must wait for a device's lock.
    struct LockWait {
        std::string lock;
    };
    struct ArmedFault {
        std::function<bool(const FakeWrite&)> when;
        Fault fault;
        unsigned times = 1;
        std::optional<std::size_t> number; ///< or which write, counted from the very first
    };
    struct Probe {
        int code = 0;
        bool refusedBeforeProbe = false; ///< ends the search for a driver (drivers_probe fails)
    };
    using Errno = int;

    // device_model.cpp
    Function& insert(FakeDevice device);
    std::string placeOf(const FakeDevice& device) const;
    const Function* bridgeTo(const std::string& domainBus) const;
    void removeNow(const std::string& address);
    void unplugThen(const std::string& address, const Continuation& then);
    Errno setNumVfs(Function& pf, unsigned count);
    void dropVfs(const std::string& pf);
    void addVf(const std::string& pf, unsigned index);
    void adoptVf(FakeDevice vf, const std::string& pf, unsigned stride);
    unsigned freeGroup() const;
    Function* function(const std::string& address);
    const Function* function(const std::string& address) const;
    std::string canonicalForNew(const std::string& path) const;
    void putNode(const std::string& path, Node node);

    // driver_core.cpp
    Driver* driver(const std::string& name);
    const Driver* driver(const std::string& name) const;
    void registerDriver(const FakeDriver& driver, bool probe);
    bool matches(const Driver& driver, const Function& device) const;
    Probe attach(const std::string& address, const std::string& driver, const Continuation& afterHang = {});
    int probeFinish(const std::string& address, const std::string& driver);
    bool attachAny(const std::string& address); ///< false: a driver was refused before its probe
    void attachAll(const std::string& driver);
    void detachThen(const std::string& address, const Continuation& then);
    void detachFinish(const std::string& address, const Continuation& then);
    void takeLock(const std::string& lock) const; ///< throws LockWait when another has it
    bool lockFree(const std::string& lock) const;
    Errno writeBind(Driver& driver, const std::string& data);
    Errno writeUnbind(Driver& driver, const std::string& data);
    Errno writeDriversProbe(const std::string& data);
    Errno writeNewId(Driver& driver, const std::string& data);
    Errno writeRemoveId(Driver& driver, const std::string& data);

    // vfio.cpp
    int vfioProbe(Function& device, const Driver& driver);
    void vfioLeave(Function& device);
    bool denylisted(const Function& device) const;
    bool groupClaimed(unsigned group) const;
    bool heldOpen(const std::string& address) const;
    std::string parameter(const std::string& module, const std::string& name) const;
    std::vector<std::string> membersOf(unsigned group) const;

    // uevents.cpp
    std::string ueventText(const Function& device) const;
    static std::string modalias(const Function& device);
    void emit(const std::string& action, const Function& device);
    void emit(const std::string& action, const std::string& subsystem, const std::string& devpath);

    // tree.cpp: directories, links and files by canonical path
    std::expected<std::string, Errno> resolve(const std::string& path, bool followLast) const;
    std::optional<Node> entry(const std::string& directory, const std::string& name) const;
    std::map<std::string, Node> children(const std::string& directory) const;
    void busChildren(const std::string& directory, std::map<std::string, Node>& found) const;
    void otherChildren(const std::string& directory, std::map<std::string, Node>& found) const;
    void deviceChildren(const Function& device, std::map<std::string, Node>& found) const;
    void moduleChildren(const std::string& directory, std::map<std::string, Node>& found) const;
    void groupChildren(const std::string& directory, std::map<std::string, Node>& found) const;
    void vfioNodeChildren(const std::string& directory, std::map<std::string, Node>& found) const;
    static std::optional<DeviceNumber> vfioNode(const std::string& path);
    static std::vector<std::string> descriptors(const FakeKernel& kernel, const FakeHolder& holder);
    void procChildren(const std::string& directory, std::map<std::string, Node>& found) const;
    const Function* functionAt(const std::string& directory) const;

    // attributes.cpp
    std::optional<Node> attribute(const Function& device, const std::string& name) const;
    std::expected<std::string, Errno> readNode(const std::string& canonical) const;
    std::expected<std::string, Errno> readAttribute(const Function& device, const std::string& name) const;
    static std::string configSpace(const Function& device);
    Errno writeNode(const std::string& canonical, const std::string& data);
    Errno writeBus(const std::string& name, const std::string& data);
    Errno writeAttribute(Function& device, const std::string& name, const std::string& data);
    Errno writeOverride(Function& device, const std::string& data);
    Errno writeResetMethod(Function& device, const std::string& data);
    Errno rescan();
    void rememberRemoved(const Function& device);

    // faults.cpp
    std::optional<Fault> takeFault(const FakeWrite& write);
    std::string deviceOfWrite(const FakeWrite& write) const;
    Errno perform(const std::string& path, const std::string& data);
    Errno performOrWait(const std::string& path, const std::string& data);
    Errno performHanging(const std::string& path, const std::string& data);
    void stopIfDead() const;
    [[noreturn]] void hangUntil(Pending pending);
    bool takeHang();
    void finishPending(const std::function<bool(const Pending&)>& which);
    void settle(); ///< everything that need not wait any longer goes on

    std::map<std::string, Function> functions_;
    std::map<std::string, FakeDevice> removed_; ///< by writing `remove`: a rescan finds them again
    std::set<unsigned> dissolvedGroups_;        ///< left empty since the last rescan
    std::map<std::string, std::string> rootBusParents_;
    std::vector<Driver> drivers_; ///< in order of registration, which is the order of probing
    std::map<std::string, Module> modules_;
    std::map<int, FakeHolder> holders_;
    std::map<std::string, Node> extra_;                ///< by canonical path
    std::map<std::string, DeviceNumber> nodes_;        ///< by canonical path, those of open descriptors too
    std::map<std::string, std::size_t> hiddenFolders_; ///< by path
    std::map<DeviceNumber, int> exclusive_;            ///< the errno of an exclusive open
    std::map<unsigned, std::string> groupTypes_, reservedRegions_;
    std::vector<std::string> iommuUnits_{"dmar0"};
    bool driversAutoprobe_ = true;
    bool quiet_ = false; ///< while the machine is built: no uevents

    std::vector<Pending> pending_;
    bool hangArmed_ = false;
    bool removing_ = false;   ///< the rescan lock is ours
    std::string currentPath_; ///< of the write that runs
    bool dead_ = false;
    std::vector<ArmedFault> faults_;
    std::size_t writeCount_ = 0;
    unsigned faultsHit_ = 0;
    std::vector<FakeWrite> writes_;
    mutable std::vector<std::string> lockedReads_;
    mutable std::vector<std::string> exclusiveOpens_;
    unsigned seqnum_ = 0;
};

} // namespace vfiobind
