// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/systemd_lease_store.h"

#include "lease/lease_pipe.h"

#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <spdlog/spdlog.h>
#include <string>
#include <sys/epoll.h>
#include <system_error>
#include <systemd/sd-daemon.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// systemd answers within milliseconds, unless it is reloading its units.
constexpr auto barrierLimit = 5s;

std::string nameOf(std::uint64_t pipe) {
    return fmt::format("lease-{}", pipe);
}

} // namespace

struct SystemdLeaseStore::Barrier {
    Descriptor end; ///< hangs up when systemd closes the other one
    std::function<void()> passed;
    EventSource hungUp;
    EventSource limit;
};

SystemdLeaseStore::SystemdLeaseStore(EventLoop& loop) : loop_(loop) {}
SystemdLeaseStore::~SystemdLeaseStore() = default;

void SystemdLeaseStore::keep(std::uint64_t pipe, int fd, std::function<void()> kept) {
    const auto message = fmt::format("FDSTORE=1\nFDNAME={}", nameOf(pipe));
    const int sent = sd_pid_notify_with_fds(0, 0, message.c_str(), &fd, 1);
    if (sent > 0)
        return awaitManager(std::move(kept));
    if (sent < 0)
        spdlog::warn("a lease will not outlive the daemon: it cannot be given to systemd: {}",
                     std::generic_category().message(-sent));
    kept();
}

/// sd_notify_barrier(3) does the same and waits in the call.
void SystemdLeaseStore::awaitManager(std::function<void()> passed) {
    auto pipe = makeLeasePipe();
    if (!pipe) {
        spdlog::warn("whether systemd has stored a lease cannot be waited for: {}", pipe.error().str());
        return passed();
    }
    const int theirs = pipe->callers.get();
    if (const int sent = sd_pid_notify_with_fds(0, 0, "BARRIER=1", &theirs, 1); sent <= 0) {
        spdlog::warn("whether systemd has stored a lease cannot be asked: {}",
                     std::generic_category().message(-sent));
        return passed();
    }
    const auto number = ++lastBarrier_;
    const int ours = pipe->daemons.get();
    auto& barrier =
        barriers_.emplace(number, Barrier{std::move(pipe->daemons), std::move(passed), {}, {}}).first->second;
    barrier.hungUp = loop_.io(ours, EPOLLHUP, [this, number] { end(number); });
    barrier.limit = loop_.timer(barrierLimit, [this, number] {
        spdlog::warn("systemd does not say within {} s that it has stored a lease", barrierLimit.count());
        end(number);
    });
}

void SystemdLeaseStore::end(std::uint64_t barrier) {
    const auto ended = barriers_.extract(barrier);
    if (!ended.empty())
        ended.mapped().passed();
}

void SystemdLeaseStore::drop(std::uint64_t pipe) {
    const auto message = fmt::format("FDSTOREREMOVE=1\nFDNAME={}", nameOf(pipe));
    if (const int sent = sd_notify(0, message.c_str()); sent < 0)
        spdlog::warn("systemd cannot be told that a lease has ended: {}",
                     std::generic_category().message(-sent));
}

std::vector<Descriptor> SystemdLeaseStore::takeKept() {
    char** names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    if (count < 0) {
        spdlog::error("what systemd has kept of leases cannot be taken back: {}",
                      std::generic_category().message(-count));
        return {};
    }
    std::vector<Descriptor> kept;
    for (int i = 0; i < count; ++i) {
        Descriptor descriptor(SD_LISTEN_FDS_START + i);
        if (std::string_view(names[i]).starts_with("lease-"))
            kept.push_back(std::move(descriptor));
        std::free(names[i]);
    }
    std::free(names);
    return kept;
}

} // namespace vfiobind
