// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fork_executor.h"

#include "teller.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <string>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {
namespace {

constexpr char goWord = 'g';

/// The child keeps nothing of the daemon but its end of the socket: a child that hangs for ever must not hold
/// the bus connection or the netlink sockets.
void keepOnly(int fd) {
    constexpr int standard = 3;
    if (fd > standard)
        close_range(standard, static_cast<unsigned>(fd) - 1, 0);
    close_range(static_cast<unsigned>(fd) + 1, ~0U, 0);
}

void resetSignals() {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // The daemon may be gone before the work is done: then nobody reads, and the work goes on.
    signal(SIGPIPE, SIG_IGN);
    // A reload or a terminal's ^C is meant for the daemon.
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

bool awaitGo(int fd) {
    char word = 0;
    ssize_t n = 0;
    do {
        n = read(fd, &word, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1 && word == goWord;
}

} // namespace

class ForkExecutor::ForkedWork final : public Work {
public:
    ForkedWork(ForkExecutor& executor, int pid, int fd, Listener listener) :
        executor_(executor), pid_(pid), fd_(fd), listener_(std::move(listener)) {
        io_ = executor_.loop_.io(fd_, EPOLLIN, [this] { receive(); });
    }

    ~ForkedWork() override {
        io_.reset();
        close(fd_);
    }

    void go() override {
        // A worker that is dead cannot be told; receive() comes to know of that.
        if (send(fd_, &goWord, 1, MSG_NOSIGNAL) != 1)
            spdlog::warn("worker {} could not be told to go: {}", pid_,
                         std::generic_category().message(errno));
    }

    int pid() const override { return pid_; }

private:
    /// The listener may drop this work in any call.
    void receive() {
        std::array<char, 16384> buffer{};
        const auto n = read(fd_, buffer.data(), buffer.size());
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (n > 0)
            pending_.append(buffer.data(), static_cast<std::size_t>(n));
        const auto listener = listener_;
        const std::weak_ptr<bool> alive = alive_;
        std::size_t end = 0;
        while ((end = pending_.find('\n')) != std::string::npos) {
            auto message = decode(pending_.substr(0, end));
            pending_.erase(0, end + 1);
            const bool last = !message || std::holds_alternative<Finished>(*message);
            if (last)
                io_.reset();
            listener(message ? std::move(*message) : WorkMessage(Died{message.error()}));
            if (last || alive.expired())
                return;
        }
        if (n <= 0) {
            io_.reset();
            listener(Died{fmt::format("worker {} ended before it told the outcome", pid_)});
        }
    }

    ForkExecutor& executor_;
    int pid_;
    int fd_;
    Listener listener_;
    std::string pending_;
    EventSource io_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

void ForkExecutor::runInChild(int fd, const WorkOrder& order, const Topology& topology) {
    using Kind = WorkOrder::Kind;
    auto full = order;
    if (order.kind == Kind::carryOut || order.kind == Kind::recover || order.kind == Kind::createVfs)
        if (const auto lock = lockGroup(stateDirectory_ + "/lock", order.group);
            !lock) // held until the process ends
            return Teller(fd, false)(Finished{"failed", lock.error().str(), {}});
    // While we waited for the lock its holder may have been killed.
    if (order.kind == Kind::carryOut)
        if (auto left = FileJournalStore(stateDirectory_ + "/journal").load(order.group);
            left && left->group == order.group)
            full.journal = std::move(*left);
    // A survey, and who undoes, reads files that may hang between two messages.
    const bool readsOne = order.kind == Kind::examine || order.kind == Kind::carryOut;
    Teller tell(fd, readsOne && full.journal.members.empty());
    work(
        sysfs_, full, topology, journals_, [&tell](const WorkMessage& m) { tell(m); },
        [fd] { return awaitGo(fd); });
}

std::unique_ptr<Work> ForkExecutor::start(WorkOrder order, const Topology& topology, Listener listener) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error(errno, std::generic_category(), "socketpair for a worker");
    const int pid = fork();
    if (pid < 0) {
        const int code = errno;
        close(ends[0]);
        close(ends[1]);
        throw std::system_error(code, std::generic_category(), "fork of a worker");
    }
    if (pid == 0) {
        resetSignals();
        keepOnly(ends[1]);
        prctl(PR_SET_NAME, "vfio-bind-work");
        runInChild(ends[1], order, topology);
        _exit(0);
    }
    close(ends[1]);
    children_.emplace(pid, loop_.child(pid, [this, pid] { children_.erase(pid); }));
    return std::make_unique<ForkedWork>(*this, pid, ends[0], std::move(listener));
}

} // namespace vfiobind
