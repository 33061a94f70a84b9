// SPDX-License-Identifier: LGPL-2.1-or-later
#include "inline_executor.h"

#include "fake/kernel_seam.h"

#include "transaction/journal.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <deque>
#include <optional>
#include <semaphore>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace vfiobind {

// Not in an unnamed namespace: InlineExecutor, which the header declares, has members of it (GCC:
// -Wsubobject-linkage where several sources are compiled as one).
/// A process that does nothing but exist: journals name the worker's, and whether it lives is looked at.
class Stand {
public:
    Stand() = default;
    Stand(const Stand&) = delete;
    Stand& operator=(const Stand&) = delete;
    ~Stand() { end(); }

    void begin() {
        if (pid_ != 0)
            return;
        pid_ = fork();
        if (pid_ < 0)
            throw std::system_error(errno, std::generic_category(), "fork");
        if (pid_ > 0)
            return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(0, ~0U, 0);
        for (;;)
            pause();
    }

    int pid() const { return pid_; } ///< 0 before begin()

    void end() {
        if (pid_ == 0)
            return;
        kill(pid_, SIGKILL);
        while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        pid_ = 0;
    }

private:
    int pid_ = 0;
};

namespace {

/// The worker's process has been killed while it hung.
struct Abandoned {};

std::string deviceIn(const std::string& path, std::string_view data) {
    const std::string devices = "/sys/bus/pci/devices/";
    if (path.starts_with(devices))
        return path.substr(devices.size(), path.find('/', devices.size()) - devices.size());
    const auto address = Address::parse(data.substr(0, data.find('\n')));
    return address ? address->str() : std::string{};
}

} // namespace

/// One worker. `resume()` is called in the loop's thread, the rest of its life is in its own; the semaphores
/// hand the turn over, so that never both run.
class InlineExecutor::Process final : public KernelSeam, public JournalStore {
public:
    enum class Waits { ready, forGo, forLock, forKernel, forNothing, ended };

    Process(FakeKernel& kernel, const std::string& journals, WorkOrder order, Topology topology, Listener to,
            bool silent, bool dies) :
        KernelSeam(kernel), listener(std::move(to)), silent_(silent), dies_(dies), files_(journals),
        order_(std::move(order)), topology_(std::move(topology)), thread_([this] { live(); }) {}
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() override {
        abandoned_ = true;
        while (waits != Waits::ended)
            resume();
        thread_.join();
        // It can be listed for a moment longer, and what lists this process's threads is to find none that
        // has ended.
        while (access(("/proc/self/task/" + std::to_string(threadId_)).c_str(), F_OK) == 0)
            std::this_thread::yield();
    }

    /// Lets the worker run until it has something to tell, waits, or has ended.
    void resume() {
        toWorker_.release();
        toLoop_.acquire();
    }

    /// Whether what the worker hangs in has returned.
    bool kernelReturned() const {
        if (hangsAt_.empty())
            return !kernel_.anythingHangs();
        try {
            (void)kernel_.read("/sys/bus/pci/devices/" + hangsAt_ + "/uevent");
        } catch (const FakeKernel::Hung&) {
            return false;
        }
        return true;
    }

    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        for (;;) {
            try {
                return kernel_.read(path, limit);
            } catch (const FakeKernel::Hung&) {
                const_cast<Process*>(this)->hang(
                    deviceIn(path, {})); // reading stops the reader, not the machine
            }
        }
    }

    SysResult<void> write(const std::string& path, std::string_view data) override {
        try {
            return kernel_.write(path, data);
        } catch (const FakeKernel::Hung&) {
            hang(deviceIn(path, data));
        }
        return answerAfterHang(path, std::string(data.substr(0, data.find('\n'))));
    }

    SysResult<void> save(const Journal& journal) override {
        stand_.begin();
        auto stamped = journal;
        stamped.pid = stand_.pid();
        stamped.pidStartTime = processStartTime(stamped.pid);
        return files_.save(stamped);
    }
    SysResult<void> remove(unsigned group) override { return files_.remove(group); }
    SysResult<std::vector<std::string>> consoles(unsigned group) const override {
        return files_.consoles(group);
    }
    SysResult<void> saveConsoles(unsigned group, const std::vector<std::string>& names) override {
        return files_.saveConsoles(group, names);
    }

    Waits waits = Waits::ready;
    bool told = false;    ///< the word to go has been given
    bool dropped = false; ///< nobody listens
    std::deque<WorkMessage> messages;
    Listener listener;
    std::shared_ptr<Process> before; ///< who writes to the same group and was started earlier

    unsigned group() const { return order_.group; }
    bool writes() const {
        return order_.kind == WorkOrder::Kind::carryOut || order_.kind == WorkOrder::Kind::recover;
    }

private:
    void live() {
        threadId_ = gettid();
        toWorker_.acquire();
        try {
            if (silent_)
                handOver(Waits::forNothing);
            if (dies_)
                throw FakeKernel::Killed{};
            if (order_.kind == WorkOrder::Kind::carryOut || order_.kind == WorkOrder::Kind::examine)
                messages.emplace_back(LookBegun{});
            awaitLock();
            if (!abandoned_)
                work(
                    *this, order_, topology_, *this, [this](const WorkMessage& m) { tell(m); },
                    [this] { return awaitGo(); });
        } catch (const FakeKernel::Killed&) {
            kernel_.newProcess();
            messages.emplace_back(Died{"the worker was killed"});
        } catch (const Abandoned&) {
        }
        stand_.end();
        waits = Waits::ended;
        toLoop_.release();
    }

    void handOver(Waits until) {
        waits = until;
        toLoop_.release();
        toWorker_.acquire();
        if (abandoned_)
            throw Abandoned{};
        waits = Waits::ready;
    }

    void tell(const WorkMessage& message) {
        messages.push_back(message);
        handOver(Waits::ready);
    }

    /// Who writes to a group keeps others out, as with lockGroup().
    void awaitLock() {
        while (writes() && before && before->waits != Waits::ended)
            handOver(Waits::forLock);
        before.reset();
    }

    bool awaitGo() {
        while (!told && !dropped)
            handOver(Waits::forGo);
        return told;
    }

    void hang(std::string device) {
        hangsAt_ = std::move(device);
        do
            handOver(Waits::forKernel);
        while (!kernelReturned());
    }

    /// The fake kernel completes a hung write's effect and does not say how it ended: what is there tells.
    SysResult<void> answerAfterHang(const std::string& path, const std::string& data) const {
        const auto file = baseName(path);
        const bool gone = !hangsAt_.empty() && !kernel_.present(hangsAt_);
        if (file == "unbind" || file == "drivers_probe" || !(gone || file == "bind"))
            return {};
        const auto driver = baseName(std::string_view(path).substr(0, path.rfind('/')));
        if (!gone && kernel_.driverOf(data) == driver)
            return {};
        return std::unexpected(SysError{"write", path, ENODEV});
    }

    bool silent_;
    bool dies_;
    FileJournalStore files_;
    WorkOrder order_;
    Topology topology_;
    Stand stand_;
    std::string hangsAt_;
    bool abandoned_ = false;
    pid_t threadId_ = 0;
    std::binary_semaphore toWorker_{0};
    std::binary_semaphore toLoop_{0};
    std::thread thread_; ///< the last: it uses the others
};

class InlineExecutor::Handle final : public Work {
public:
    Handle(InlineExecutor& executor, std::shared_ptr<Process> process) :
        executor_(executor), process_(std::move(process)) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() override {
        process_->dropped = true;
        process_->listener = nullptr;
        executor_.look();
    }
    void go() override {
        if (const auto happens = std::exchange(executor_.beforeWord, nullptr))
            happens();
        process_->told = true;
        executor_.look();
    }

private:
    InlineExecutor& executor_;
    std::shared_ptr<Process> process_;
};

InlineExecutor::InlineExecutor(EventLoop& loop, FakeKernel& kernel, std::string stateDirectory) :
    loop_(loop), kernel_(kernel), stateDirectory_(std::move(stateDirectory)) {}

InlineExecutor::~InlineExecutor() = default;

std::unique_ptr<Work> InlineExecutor::start(WorkOrder order, const Topology& topology, Listener listener) {
    if (noProcesses)
        throw std::system_error(EAGAIN, std::generic_category(), "fork of a worker");
    const bool toLook = order.kind == WorkOrder::Kind::examine || order.kind == WorkOrder::Kind::carryOut;
    looks += toLook ? 1 : 0;
    const bool dies = dyingWorkers > 0;
    dyingWorkers -= dies ? 1 : 0;
    auto process = std::make_shared<Process>(kernel_, stateDirectory_, std::move(order), topology,
                                             std::move(listener), silentWorkers, dies);
    for (const auto& other : processes_)
        if (other->writes() && other->group() == process->group())
            process->before = other;
    processes_.push_back(std::move(process));
    schedule();
    return std::make_unique<Handle>(*this, processes_.back());
}

void InlineExecutor::look() {
    for (const auto& process : processes_) {
        const bool goesOn =
            (process->waits == Process::Waits::forGo && (process->told || process->dropped)) ||
            (process->waits == Process::Waits::forLock && process->before->waits == Process::Waits::ended) ||
            (process->waits == Process::Waits::forKernel && process->kernelReturned());
        if (goesOn)
            process->waits = Process::Waits::ready;
    }
    schedule();
}

bool InlineExecutor::idle() const {
    return !tick_;
}

void InlineExecutor::schedule() {
    const bool needed = std::ranges::any_of(processes_, [](const auto& process) {
        return process->waits == Process::Waits::ready || process->waits == Process::Waits::ended ||
               !process->messages.empty();
    });
    if (needed && !tick_)
        tick_ = loop_.soon([this] { step(); });
}

/// Each worker that can takes one step, and what it tells is delivered: the steps of several go side by side.
void InlineExecutor::step() {
    tick_.reset();
    const auto now = processes_; // listeners start and drop work
    for (const auto& process : now) {
        if (process->waits == Process::Waits::ready)
            process->resume();
        while (!process->messages.empty()) {
            auto message = std::move(process->messages.front());
            process->messages.pop_front();
            if (const auto listener = process->listener)
                listener(std::move(message));
        }
    }
    std::erase_if(processes_, [](const auto& process) { return process->waits == Process::Waits::ended; });
    look(); // one worker's step can have let another go on
}

} // namespace vfiobind
