// SPDX-License-Identifier: LGPL-2.1-or-later
/// The single steps of a transaction: each is journaled, told to the hooks, and carried out.
#pragma once

#include "transaction/transaction.h"

#include <expected>
#include <string>

namespace vfiobind {

/// `/sys/bus/pci/devices/0000:01:00.0/<file>`
std::string devicePath(const Address& device, std::string_view file);

class StepRunner {
public:
    using Result = std::expected<void, StepError>;

    StepRunner(Sysfs& sysfs, Journal& journal, JournalStore& journals, const TransactionHooks& hooks) :
        sysfs_(sysfs), journal_(journal), journals_(journals), hooks_(hooks) {}

    /// From here on the steps undo: they are marked so, and a journal that cannot be written does not stop
    /// them, since leaving a group half bound would be worse.
    void beginUndoing() { undoing_ = true; }
    bool wrote() const { return wrote_; }

    Result setOverride(const Address& device, const std::string& value);
    Result unbind(const Address& device, const std::string& driver);
    /// Binds by name, which gives the kernel's real errno. ENODEV right after a hotplug and EAGAIN are tried
    /// again for a bounded time. A device that is on the driver by now is a success.
    Result bind(const Address& device, const std::string& driver);
    /// Lets the kernel choose the driver. It reports success for almost everything: verify afterwards.
    Result probe(const Address& device);
    Result newId(const Address& device, const std::string& driver, const std::string& line);
    Result removeId(const std::string& driver, const std::string& line);
    Result giveBack(const Address& device, const std::string& driver);
    /// Takes the terminals from the console, such as `vtcon1`. The kernel answers every write there with
    /// success, so the result is read back (doc/kernel.md 37).
    Result letGo(const std::string& console);
    /// Gives the terminals to the console again. One that is gone needs nothing: the kernel gives them to it
    /// when it comes again.
    Result takeBack(const std::string& console);
    bool isBoundConsole(const std::string& console) const;
    /// Notes that the console is let go of by this group, or that it is not any more.
    SysResult<void> noteConsole(const std::string& console, bool letGo);
    /// Reads the driver link back.
    Result verify(const MemberPlan& member);

    /// TransactionHooks::inUse
    std::string inUse(const Address& device) const { return hooks_.inUse(device); }
    std::string driverOf(const Address& device) const;
    bool present(const Address& device) const;

private:
    Result run(Step step, const std::string& path, const std::string& data);
    template <typename Work>
    Result perform(Step step, Work work);
    SysResult<void> setConsole(const std::string& console, bool bound);
    SysResult<void> bindPatiently(const Address& device, const std::string& driver);
    SysResult<void> save();

    Sysfs& sysfs_;
    Journal& journal_;
    JournalStore& journals_;
    const TransactionHooks& hooks_;
    bool undoing_ = false;
    bool wrote_ = false;
};

/// Brings every member back to what the journal says it was found in, last first, and takes back dynamic ids.
/// Gives the sentences of what could not be restored.
std::vector<std::string> restore(Sysfs& sysfs, StepRunner& steps, const Journal& journal);

/// Takes the journal's consoles back, those that are not bound. Gives the sentences of what could not be
/// done: these are warnings, for the group's devices are where they are, and the console stays noted for the
/// next release.
std::vector<std::string> takeBackConsoles(StepRunner& steps, const Journal& journal);

/// Takes the journal's dynamic ids out again, and unbinds what they caught beyond the members.
std::vector<StepError> takeBackDynamicIds(Sysfs& sysfs, StepRunner& steps, const Journal& journal);

} // namespace vfiobind
