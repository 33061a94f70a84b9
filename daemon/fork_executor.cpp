// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fork_executor.h"

#include "together.h"

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {
namespace {

struct Ends {
    int daemons = -1;
    int workers = -1;
};

Ends connect() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error(errno, std::generic_category(), "socketpair for a worker");
    return {ends[0], ends[1]};
}

/// In the child it gives back 0.
int forkOrClose(const std::vector<Ends>& all) {
    const int pid = fork();
    if (pid >= 0)
        return pid;
    const int code = errno;
    for (const auto& ends : all) {
        close(ends.daemons);
        close(ends.workers);
    }
    throw std::system_error(code, std::generic_category(), "fork of a worker");
}

} // namespace

class ForkExecutor::ForkedWork final : public Work {
public:
    ForkedWork(EventLoop& loop, int pid, int fd, Listener listener) :
        pid_(pid), fd_(fd), listener_(std::move(listener)) {
        io_ = loop.io(fd_, EPOLLIN, [this] { receive(); });
    }

    ~ForkedWork() override {
        io_.reset();
        close(fd_);
    }

    void go() override {
        // A worker that is dead cannot be told; receive() comes to know of that.
        if (send(fd_, &wordToGo, 1, MSG_NOSIGNAL) != 1)
            spdlog::warn("worker {} could not be told to go: {}", pid_,
                         std::generic_category().message(errno));
    }

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

    int pid_; ///< of the process that has looked: for messages
    int fd_;
    Listener listener_;
    std::string pending_;
    EventSource io_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::unique_ptr<Work> ForkExecutor::start(WorkOrder order, const Topology& topology, Listener listener) {
    const auto ends = connect();
    const int pid = forkOrClose({ends});
    if (pid == 0)
        endAfter([&] {
            becomeWorker({ends.workers});
            workAlone(files_, order, topology, ends.workers);
        });
    close(ends.workers);
    children_.emplace(pid, loop_.child(pid, [this, pid] { children_.erase(pid); }));
    return std::make_unique<ForkedWork>(loop_, pid, ends.daemons, std::move(listener));
}

std::vector<std::unique_ptr<Work>> ForkExecutor::startTogether(std::vector<WorkOrder> orders,
                                                               const Topology& topology,
                                                               const GroupListener& listener) {
    if (orders.size() < 2)
        return Executor::startTogether(std::move(orders), topology, listener);
    std::vector<Ends> all;
    std::vector<int> workers;
    try {
        for (std::size_t i = 0; i < orders.size(); ++i) {
            all.push_back(connect());
            workers.push_back(all.back().workers);
        }
    } catch (...) {
        for (const auto& ends : all) {
            close(ends.daemons);
            close(ends.workers);
        }
        throw;
    }
    const int pid = forkOrClose(all);
    if (pid == 0)
        endAfter([&] {
            becomeWorker(workers);
            Together(files_, orders, topology, workers).run();
        });
    children_.emplace(pid, loop_.child(pid, [this, pid] { children_.erase(pid); }));
    std::vector<std::unique_ptr<Work>> works;
    for (std::size_t i = 0; i < orders.size(); ++i) {
        close(all[i].workers);
        works.push_back(std::make_unique<ForkedWork>(
            loop_, pid, all[i].daemons, [listener, group = orders[i].group](WorkMessage message) {
                listener(group, std::move(message));
            }));
    }
    return works;
}

} // namespace vfiobind
