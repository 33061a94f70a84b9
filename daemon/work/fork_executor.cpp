// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/fork_executor.h"

#include "sysfs/descriptor.h"
#include "work/worker_batch.h"

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
    Descriptor daemons;
    Descriptor workers;
};

Ends connect() {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error(errno, std::generic_category(), "socketpair for a worker");
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// Returns 0 in the child. Throws std::system_error when no process can be started.
int forkOrThrow() {
    const int pid = fork();
    if (pid < 0)
        throw std::system_error(errno, std::generic_category(), "fork of a worker");
    return pid;
}

} // namespace

class ForkExecutor::ForkedWork final : public Work {
public:
    ForkedWork(EventLoop& loop, Descriptor end, Listener listener) :
        end_(std::move(end)), listener_(std::move(listener)) {
        io_ = loop.io(end_.get(), EPOLLIN, [this] { receive(); });
    }

    void go() override {
        // This fails if the worker is dead, which receive() finds out.
        if (send(end_.get(), &wordToGo, 1, MSG_NOSIGNAL) != 1)
            spdlog::warn("a worker could not be told to go: {}", std::generic_category().message(errno));
    }

private:
    /// The listener may drop this work in any call.
    void receive() {
        std::array<char, 16384> buffer{};
        const auto n = read(end_.get(), buffer.data(), buffer.size());
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
            listener(Died{"the worker ended before it told the outcome"});
        }
    }

    Descriptor end_;
    Listener listener_;
    std::string pending_;
    EventSource io_; ///< dropped before its descriptor is closed
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

std::unique_ptr<Work> ForkExecutor::start(WorkOrder order, const Topology& topology, Listener listener) {
    auto ends = connect();
    const int pid = forkOrThrow();
    if (pid == 0)
        endAfter([&] {
            becomeWorker({ends.workers.get()});
            workAlone(files_, order, topology, ends.workers.get());
        });
    reap(pid);
    return std::make_unique<ForkedWork>(loop_, std::move(ends.daemons), std::move(listener));
}

std::vector<std::unique_ptr<Work>> ForkExecutor::startBatch(std::vector<WorkOrder> orders,
                                                            const Topology& topology,
                                                            const GroupListener& listener) {
    if (orders.size() < 2)
        return Executor::startBatch(std::move(orders), topology, listener);
    std::vector<Ends> all;
    std::vector<int> sockets;
    for (std::size_t i = 0; i < orders.size(); ++i) {
        all.push_back(connect());
        sockets.push_back(all.back().workers.get());
    }
    const int pid = forkOrThrow();
    if (pid == 0)
        endAfter([&] {
            becomeWorker(sockets);
            WorkerBatch(files_, orders, topology, sockets).run();
        });
    reap(pid);
    std::vector<std::unique_ptr<Work>> works;
    for (std::size_t i = 0; i < orders.size(); ++i)
        works.push_back(std::make_unique<ForkedWork>(
            loop_, std::move(all[i].daemons), [listener, group = orders[i].group](WorkMessage message) {
                listener(group, std::move(message));
            }));
    return works;
}

void ForkExecutor::reap(int pid) {
    children_.emplace(pid, loop_.child(pid, [this, pid] { children_.erase(pid); }));
}

} // namespace vfiobind
