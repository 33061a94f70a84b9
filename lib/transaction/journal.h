// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a transaction found and is about to do, kept where a crash does not lose it.
#pragma once

#include "plan/plan.h"
#include "sysfs/descriptor.h"
#include "sysfs/sysfs.h"

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// One member as the transaction found it, and where it goes.
struct JournalMember {
    Address device;
    Ids ids;                ///< another card in the slot is not touched by a recovery
    std::string driver;     ///< found; empty for none
    bool vfio = false;      ///< that was one of VFIO's
    std::string override;   ///< found; empty for unset
    std::string toDriver;   ///< empty: the kernel chooses
    std::string toOverride; ///< empty: unset
    bool driverExpected = true;
    bool operator==(const JournalMember&) const = default;
};

struct JournalStep {
    std::string step;
    std::string result; ///< `begun`, `done`, or the error; in a file the last one's `begun` can mean done
    bool operator==(const JournalStep&) const = default;
};

struct Journal {
    unsigned group = 0;
    Action action = Action::bind;
    std::string rule;
    std::string by;
    int pid = 0;                    ///< the worker
    std::uint64_t pidStartTime = 0; ///< /proc/PID/stat field 22: tells a reused pid (proc_pid_stat(5))
    std::uint64_t startedUsec = 0;  ///< CLOCK_REALTIME
    std::vector<JournalMember> members;
    std::vector<JournalStep> steps;
    /// new_id entries that must be taken back: driver and the line that was written
    std::vector<std::pair<std::string, std::string>> dynamicIds;
    /// Devices of the same ids that were on the driver before new_id: what it catches beyond these and the
    /// members is given back
    std::vector<Address> alreadyThere;
    /// Such as `vtcon1`: of a bind those that it lets go of, of a release those that it takes back.
    std::vector<std::string> consoles;

    bool operator==(const Journal&) const = default;
    std::string toJson() const;
    /// The error is a sentence; a journal is untrusted input.
    static std::expected<Journal, std::string> fromJson(std::string_view text);
};

/// Where journals are kept: one file a group in production, memory in tests.
class JournalStore {
public:
    virtual ~JournalStore() = default;
    /// Replaces the group's journal atomically.
    virtual SysResult<void> save(const Journal& journal) = 0;
    virtual SysResult<void> remove(unsigned group) = 0;
    /// Keeps other transactions out that bind by a dynamic id, until the descriptor is closed: an id catches
    /// every device that it fits, so of two at a time one would take back what the other has bound.
    /// EWOULDBLOCK where another has it.
    virtual SysResult<Descriptor> tryLockDynamicIds() { return Descriptor(-1); }
    /// Names of the consoles, such as `vtcon1`, that binds of the group have let go of and nobody has taken
    /// back since. They are noted before a console is let go of, and stay when the journal is removed.
    virtual SysResult<std::vector<std::string>> consoles(unsigned group) const = 0;
    virtual SysResult<void> saveConsoles(unsigned group, const std::vector<std::string>& names) = 0;
};

/// The end of the name under which a journal that cannot be read is kept: it may be the only record of the
/// native drivers.
constexpr std::string_view unreadableJournal = ".unreadable";

/// Whether it is `vtcon` and a number: names of consoles become part of paths.
bool isConsoleName(std::string_view name);

/// Below the state directory, `/run/vfio-bind`: `journal/<group>.json`, and `consoles/<group>` with a name on
/// each line; written beside and renamed.
class FileJournalStore final : public JournalStore {
public:
    explicit FileJournalStore(const std::string& stateDirectory) :
        directory_(stateDirectory + "/journal"), consoles_(stateDirectory + "/consoles"),
        locks_(stateDirectory + "/lock") {}
    SysResult<void> save(const Journal& journal) override;
    SysResult<void> remove(unsigned group) override;
    SysResult<Descriptor> tryLockDynamicIds() override;
    SysResult<std::vector<std::string>> consoles(unsigned group) const override;
    SysResult<void> saveConsoles(unsigned group, const std::vector<std::string>& names) override;

    struct Loaded {
        std::vector<Journal> journals;
        std::vector<std::string> errors; ///< files that cannot be read, one sentence each
    };
    /// Everything that an earlier run left. A missing directory is none.
    Loaded load() const;
    /// What was left of one group; none where there is nothing, or nothing that can be read. Both keep aside
    /// what is no journal.
    std::optional<Journal> load(unsigned group) const;

private:
    std::string pathOf(unsigned group) const;
    std::string consolesPathOf(unsigned group) const;
    std::string directory_;
    std::string consoles_;
    std::string locks_;
};

/// Waits until no other process works on the group, and keeps others out until the descriptor is closed
/// (flock(2)): a worker can outlive its daemon, and the next one's must not come in between, not even before
/// the first journal is written.
SysResult<int> lockGroup(const std::string& directory, unsigned group);
/// The same without waiting: EWOULDBLOCK where another process has the lock.
SysResult<int> tryLockGroup(const std::string& directory, unsigned group);

/// The lock for work on one device: its group's, or one of its own where it is in no group.
SysResult<int> lockForDevice(const std::string& directory, const Address& device,
                             std::optional<unsigned> group);

/// Start time of a process in clock ticks since boot, 0 when there is none of this pid.
std::uint64_t processStartTime(int pid);

/// Enters this process and the time of day.
void stampWithThisProcess(Journal& journal);

class MemoryJournalStore final : public JournalStore {
public:
    SysResult<void> save(const Journal& journal) override;
    SysResult<void> remove(unsigned group) override;
    SysResult<std::vector<std::string>> consoles(unsigned group) const override;
    SysResult<void> saveConsoles(unsigned group, const std::vector<std::string>& names) override;
    std::map<unsigned, Journal> journals;
    std::map<unsigned, std::vector<std::string>> noted; ///< consoles, by group
};

} // namespace vfiobind
