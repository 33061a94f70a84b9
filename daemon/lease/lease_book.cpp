// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lease_book.h"

#include "lease/lease_pipe.h"
#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>

namespace vfiobind {
namespace {

constexpr std::size_t maxBookSize = 4U << 20;

std::uint64_t nowUsec() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

} // namespace

/// The daemon's end of a lease, watched.
struct LeaseBook::Held {
    Descriptor end;
    EventSource hungUp; ///< dropped before the descriptor is closed
};

LeaseBook::LeaseBook(EventLoop& loop, LeaseStore& store, std::string file, LeaseLimits limits) :
    loop_(loop), store_(store), file_(std::move(file)), limits_(limits) {}

LeaseBook::~LeaseBook() = default;

std::expected<void, std::string> LeaseBook::load() {
    std::expected<void, std::string> read;
    if (!file_.empty()) {
        const auto text = RealSysfs().read(file_, maxBookSize);
        auto record = text ? leaseRecordFrom(*text) : std::expected<LeaseRecord, std::string>{};
        if (!text && text.error().code != ENOENT)
            read = std::unexpected(text.error().str());
        else if (!record)
            read = std::unexpected(fmt::format("{} cannot be read: {}", file_, record.error()));
        else
            record_ = std::move(*record);
    }
    std::set<std::uint64_t> missing;
    for (const auto& [pipe, lease] : record_.leases)
        missing.insert(pipe);
    for (auto& end : store_.takeKept()) {
        const auto pipe = pipeInode(end.get());
        if (!pipe || missing.erase(*pipe) == 0)
            continue; // a pipe without a record: its groups are unknown
        hold(*pipe, std::move(end));
    }
    for (auto& [pipe, end] : reopenHeldPipes(missing)) {
        missing.erase(pipe);
        store_.keep(pipe, end.get(), [] {});
        hold(pipe, std::move(end));
    }
    for (const auto pipe : missing)
        noteEnd(record_.leases.extract(pipe).mapped());
    return read;
}

void LeaseBook::prune(const Topology& topology) {
    bool changed = false;
    for (auto& [number, group] : record_.groups)
        changed |= std::erase_if(group.members, [&topology, number](const auto& member) {
                       const auto* device = topology.find(member.first);
                       return device == nullptr || device->group != number || device->ids != member.second;
                   }) != 0;
    if (!changed)
        return;
    std::erase_if(record_.groups, [](const auto& item) { return item.second.members.empty(); });
    for (auto& [pipe, lease] : record_.leases)
        std::erase_if(lease.groups, [this](unsigned group) { return !record_.groups.contains(group); });
    saveOrWarn();
}

std::expected<void, std::string> LeaseBook::checkRoom(uid_t uid, const std::set<unsigned>& groups) const {
    const auto has = [&](const auto& counts) {
        return std::ranges::count_if(record_.leases, [&](const auto& item) { return counts(item.second); });
    };
    const auto isUsers = [uid](const Lease& lease) { return lease.uid == uid; };
    if (has([](const Lease&) { return true; }) >= limits_.all)
        return std::unexpected(fmt::format(
            "there are {} leases, and systemd keeps no more; some have to end first", limits_.all));
    if (has(isUsers) >= limits_.perUser)
        return std::unexpected(fmt::format("uid {} has {} leases, and may have no more; some have to end "
                                           "first",
                                           uid, limits_.perUser));
    for (const auto group : groups)
        if (has([&](const Lease& lease) { return isUsers(lease) && lease.groups.contains(group); }) >=
            limits_.perUserAndGroup)
            return std::unexpected(fmt::format("uid {} has {} leases on group {}, and may have no more; some "
                                               "have to end first",
                                               uid, limits_.perUserAndGroup, group));
    return {};
}

void LeaseBook::grant(uid_t uid, std::string what, const std::map<unsigned, LeasedGroup>& groups,
                      Granted granted) {
    auto made = makeLeasePipe();
    if (!made)
        return granted(std::unexpected(made.error()));
    const auto before = record_;
    Lease lease{
        .pipe = made->inode, .uid = uid, .what = std::move(what), .sinceUsec = nowUsec(), .groups = {}};
    for (const auto& [number, group] : groups) {
        lease.groups.insert(number);
        if (!isLeased(number))
            record_.groups.erase(number); // owed: the group of the ended lease does not exist any more
        record_.groups.try_emplace(number, group).first->second.overruled = false;
    }
    record_.leases.insert_or_assign(made->inode, std::move(lease));
    if (const auto saved = save(); !saved) {
        record_ = before;
        return granted(std::unexpected(saved.error()));
    }
    const int ours = made->daemons.get();
    hold(made->inode, std::move(made->daemons));
    // While the write end waits here nothing hangs up.
    store_.keep(made->inode, ours,
                [granted = std::move(granted), lease = std::make_shared<Descriptor>(std::move(
                                                   made->callers))] { granted(std::move(*lease)); });
}

void LeaseBook::hold(std::uint64_t pipe, Descriptor end) {
    const int fd = end.get();
    held_.erase(pipe);
    held_.emplace(pipe, Held{std::move(end), loop_.io(fd, EPOLLHUP, [this, pipe] { endLease(pipe); })});
}

void LeaseBook::endLease(std::uint64_t pipe) {
    const auto watched = held_.extract(pipe); // destroyed at the end of this function
    const auto ended = record_.leases.extract(pipe);
    if (ended.empty())
        return;
    noteEnd(ended.mapped());
    if (ended_)
        for (const auto group : ended.mapped().groups)
            ended_(group, !isLeased(group));
}

void LeaseBook::noteEnd(const Lease& lease) {
    store_.drop(lease.pipe);
    spdlog::info("the lease of {} has ended", describe(lease, true));
    saveOrWarn();
}

std::vector<const Lease*> LeaseBook::leasesOn(unsigned group) const {
    std::vector<const Lease*> leases;
    for (const auto& [pipe, lease] : record_.leases)
        if (lease.groups.contains(group))
            leases.push_back(&lease);
    std::ranges::stable_sort(leases, {}, &Lease::sinceUsec);
    return leases;
}

bool LeaseBook::isLeased(unsigned group) const {
    return std::ranges::any_of(record_.leases,
                               [group](const auto& item) { return item.second.groups.contains(group); });
}

const LeasedGroup* LeaseBook::find(unsigned group) const {
    const auto found = record_.groups.find(group);
    return found == record_.groups.end() ? nullptr : &found->second;
}

std::set<unsigned> LeaseBook::owed() const {
    std::set<unsigned> groups;
    for (const auto& [number, group] : record_.groups)
        if (!isLeased(number))
            groups.insert(number);
    return groups;
}

void LeaseBook::settle(unsigned group) {
    if (!isLeased(group) && record_.groups.erase(group) != 0)
        saveOrWarn();
}

SysResult<void> LeaseBook::overrule(unsigned group, bool overruled) {
    const auto found = record_.groups.find(group);
    if (found == record_.groups.end() || found->second.overruled == overruled)
        return {};
    found->second.overruled = overruled;
    auto saved = save();
    if (!saved)
        found->second.overruled = !overruled;
    return saved;
}

/// Logs an error instead of returning it, for changes that have happened already: the next run finds them
/// anew.
void LeaseBook::saveOrWarn() {
    if (const auto saved = save(); !saved)
        spdlog::error("what has become of the leases cannot be written down: {}", saved.error().str());
}

SysResult<void> LeaseBook::save() const {
    return file_.empty() ? SysResult<void>{} : writeFileAtomically(file_, toJson(record_), 0600);
}

std::string describe(const Lease& lease, bool withWhat) {
    const auto seconds = static_cast<std::time_t>(lease.sinceUsec / 1'000'000);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 32> time{};
    std::strftime(time.data(), time.size(), "%F %T", &parts);
    const bool shows = withWhat && !lease.what.empty();
    return fmt::format("uid {} since {}{}", lease.uid, time.data(), shows ? " (" + lease.what + ")" : "");
}

} // namespace vfiobind
