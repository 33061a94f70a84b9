// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/journal.h"

#include "sysfs/descriptor.h"
#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"
#include "transaction/json_values.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

namespace vfiobind {
namespace {

using nlohmann::json;

constexpr std::size_t maxSize = 1 << 20;

std::unexpected<SysError> failure(const char* operation, const std::string& path) {
    return std::unexpected(SysError{operation, path, errno});
}

json toJson(const JournalMember& m) {
    return {{"device", m.device.str()},    {"modalias", m.ids.modalias()},
            {"driver", m.driver},          {"vfio", m.vfio},
            {"override", m.override},      {"to-driver", m.toDriver},
            {"to-override", m.toOverride}, {"driver-expected", m.driverExpected}};
}

/// Driver names become part of paths: one that is no plain name would lead a write elsewhere.
std::string plainName(const json& text) {
    auto name = text.get<std::string>();
    if (name.find('/') != std::string::npos || name.find('\n') != std::string::npos ||
        name.find('\0') != std::string::npos || name == "." || name == "..")
        throw std::invalid_argument(fmt::format("'{}' is no driver's name", name));
    return name;
}

/// It becomes part of a path, too.
std::string consoleFrom(const json& text) {
    auto name = text.get<std::string>();
    if (!isConsoleName(name))
        throw std::invalid_argument(fmt::format("'{}' is no console's name", name));
    return name;
}

JournalMember memberFrom(const json& j) {
    auto ids = Ids::fromModalias(j.at("modalias").get<std::string>());
    if (!ids)
        throw std::invalid_argument(ids.error());
    const auto driver = plainName(j.at("driver"));
    return {.device = addressFrom(j.at("device")),
            .ids = *ids,
            .driver = driver,
            // A journal that an earlier version has left has the name only.
            .vfio = j.value("vfio", isVfioDriver(driver)),
            .override = plainName(j.at("override")),
            .toDriver = plainName(j.at("to-driver")),
            .toOverride = plainName(j.at("to-override")),
            .driverExpected = j.at("driver-expected").get<bool>()};
}

Journal journalFrom(const json& j) {
    Journal journal;
    journal.group = numberAt<unsigned>(j, "group");
    const auto action = j.at("action").get<std::string>();
    if (action != "bind" && action != "release")
        throw std::invalid_argument(fmt::format("action is '{}'; it is bind or release", action));
    journal.action = action == "bind" ? Action::bind : Action::release;
    journal.rule = j.at("rule").get<std::string>();
    journal.by = j.at("by").get<std::string>();
    journal.pid = numberAt<int>(j, "pid");
    journal.pidStartTime = numberAt<std::uint64_t>(j, "pid-start-time");
    journal.startedUsec = numberAt<std::uint64_t>(j, "started-usec");
    for (const auto& member : j.at("members"))
        journal.members.push_back(memberFrom(member));
    for (const auto& step : j.at("steps"))
        journal.steps.push_back({step.at("step").get<std::string>(), step.at("result").get<std::string>()});
    for (const auto& entry : j.at("dynamic-ids"))
        journal.dynamicIds.emplace_back(plainName(entry.at("driver")), entry.at("line").get<std::string>());
    for (const auto& address : j.at("already-there"))
        journal.alreadyThere.push_back(addressFrom(address));
    for (const auto& console : j.value("consoles", json::array())) // not in one of an older version
        journal.consoles.push_back(consoleFrom(console));
    return journal;
}

SysResult<int> lockFile(const std::string& directory, const std::string& name, int operation) {
    if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
        return failure("mkdir", directory);
    const auto path = fmt::format("{}/{}.lock", directory, name);
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failure("create", path);
    int result = 0;
    do {
        result = flock(fd, operation);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        const int code = errno;
        close(fd);
        return std::unexpected(SysError{"flock", path, code});
    }
    return fd;
}

} // namespace

std::string Journal::toJson() const {
    json j{{"group", group},
           {"action", verb(action)},
           {"rule", rule},
           {"by", by},
           {"pid", pid},
           {"pid-start-time", pidStartTime},
           {"started-usec", startedUsec},
           {"members", json::array()},
           {"steps", json::array()},
           {"dynamic-ids", json::array()},
           {"already-there", json::array()},
           {"consoles", consoles}};
    for (const auto& member : members)
        j["members"].push_back(vfiobind::toJson(member));
    for (const auto& step : steps)
        j["steps"].push_back({{"step", step.step}, {"result", step.result}});
    for (const auto& [driver, line] : dynamicIds)
        j["dynamic-ids"].push_back({{"driver", driver}, {"line", line}});
    for (const auto& address : alreadyThere)
        j["already-there"].push_back(address.str());
    // What a file system or a user put into a name need not be UTF-8: it is replaced rather than thrown at.
    return j.dump(1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::expected<Journal, std::string> Journal::fromJson(std::string_view text) {
    try {
        return journalFrom(json::parse(text));
    } catch (const std::exception& error) {
        return std::unexpected(fmt::format("is no journal of a transaction: {}", error.what()));
    }
}

std::uint64_t processStartTime(int pid) {
    // Field 22; the command name before it is in parentheses and may hold anything (proc_pid_stat(5)).
    const auto stat = RealSysfs().read(fmt::format("/proc/{}/stat", pid), 1024);
    if (!stat)
        return 0;
    const auto end = stat->rfind(')');
    if (end == std::string::npos)
        return 0;
    std::size_t at = end + 1;
    for (int field = 3; field <= 22 && at != std::string::npos; ++field)
        at = stat->find(' ', at + (field > 3 ? 1 : 0));
    if (at == std::string::npos)
        return 0;
    return std::strtoull(stat->c_str() + at, nullptr, 10);
}

void stampWithThisProcess(Journal& journal) {
    journal.pid = getpid();
    journal.pidStartTime = processStartTime(journal.pid);
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    journal.startedUsec =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

SysResult<int> lockGroup(const std::string& directory, unsigned group) {
    return lockFile(directory, std::to_string(group), LOCK_EX);
}

SysResult<int> tryLockGroup(const std::string& directory, unsigned group) {
    return lockFile(directory, std::to_string(group), LOCK_EX | LOCK_NB);
}

SysResult<int> lockForDevice(const std::string& directory, const Address& device,
                             std::optional<unsigned> group) {
    return lockFile(directory, group ? std::to_string(*group) : device.str(), LOCK_EX);
}

std::string FileJournalStore::pathOf(unsigned group) const {
    return fmt::format("{}/{}.json", directory_, group);
}

SysResult<void> FileJournalStore::save(const Journal& journal) {
    return writeFileAtomically(pathOf(journal.group), journal.toJson(), 0600);
}

SysResult<void> FileJournalStore::remove(unsigned group) {
    const auto path = pathOf(group);
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return failure("unlink", path);
    return {};
}

SysResult<Descriptor> FileJournalStore::tryLockDynamicIds() {
    const auto lock = lockFile(locks_, "dynamic-ids", LOCK_EX | LOCK_NB);
    if (!lock)
        return std::unexpected(lock.error());
    return Descriptor(*lock);
}

namespace {

/// What cannot be read may still be the only record of the native drivers: the next save must not replace it.
std::string keepUnreadable(const std::string& path, const std::string& why) {
    const auto aside = path + std::string(unreadableJournal);
    if (rename(path.c_str(), aside.c_str()) != 0)
        return fmt::format("{} {}; it cannot be kept aside: {}", path, why,
                           failure("rename", path).error().str());
    return fmt::format("{} {}; it is kept as {}", path, why, aside);
}

} // namespace

FileJournalStore::Loaded FileJournalStore::load() const {
    Loaded loaded;
    const RealSysfs files;
    const auto names = files.list(directory_);
    if (!names) {
        if (names.error().code != ENOENT)
            loaded.errors.push_back(names.error().str());
        return loaded;
    }
    for (const auto& name : *names) {
        if (!name.ends_with(".json"))
            continue; // what an interrupted save left beside it, or was not readable
        const auto path = directory_ + '/' + name;
        const auto text = files.read(path, maxSize);
        if (!text) {
            loaded.errors.push_back(text.error().str());
            continue;
        }
        auto journal = Journal::fromJson(*text);
        if (journal)
            loaded.journals.push_back(std::move(*journal));
        else
            loaded.errors.push_back(keepUnreadable(path, journal.error()));
    }
    return loaded;
}

std::optional<Journal> FileJournalStore::load(unsigned group) const {
    const auto text = RealSysfs().read(pathOf(group), maxSize);
    if (!text)
        return std::nullopt;
    auto journal = Journal::fromJson(*text);
    if (journal)
        return std::move(*journal);
    keepUnreadable(pathOf(group), journal.error());
    return std::nullopt;
}

SysResult<void> MemoryJournalStore::save(const Journal& journal) {
    journals.insert_or_assign(journal.group, journal);
    return {};
}

SysResult<void> MemoryJournalStore::remove(unsigned group) {
    journals.erase(group);
    return {};
}

} // namespace vfiobind
