// SPDX-License-Identifier: LGPL-2.1-or-later
#include "control.h"

#include "machine_file.h"

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <sys/epoll.h>
#include <unistd.h>

namespace vfiobind {
namespace {

using nlohmann::json;

int errnoNamed(const std::string& name) {
    constexpr int lastErrno = 133;
    for (int code = 1; code <= lastErrno; ++code)
        if (errnoName(code) == name)
            return code;
    throw std::invalid_argument("no errno is named " + name);
}

/// `ERRNO [TIMES]` at the end of a line; what is before it is a text with blanks.
struct TextErrno {
    std::string text;
    int code = 0;
    unsigned times = 1;
};

TextErrno splitTextErrno(std::string rest) {
    TextErrno found;
    const auto takeLast = [&rest] {
        const auto at = rest.rfind(' ');
        if (at == std::string::npos)
            throw std::invalid_argument("wanted a text and an errno");
        auto word = rest.substr(at + 1);
        rest.erase(at);
        return word;
    };
    auto word = takeLast();
    if (word.find_first_not_of("0123456789") == std::string::npos) {
        found.times = static_cast<unsigned>(std::stoul(word));
        word = takeLast();
    }
    found.code = errnoNamed(word);
    found.text = rest;
    return found;
}

std::function<bool(const FakeWrite&)> holding(const std::string& text) {
    return [text](const FakeWrite& write) {
        return (write.path + " <- " + write.data).find(text) != std::string::npos;
    };
}

} // namespace

Control::Control(EventLoop& loop, FakeKernel& kernel, Hooks hooks) :
    loop_(loop), kernel_(kernel), hooks_(std::move(hooks)) {
    input_ = loop_.io(STDIN_FILENO, EPOLLIN, [this] { receive(); });
}

void Control::receive() {
    std::array<char, 4096> buffer{};
    const auto n = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0) {
        input_.reset();
        hooks_.hungUp();
        return;
    }
    pending_.append(buffer.data(), static_cast<std::size_t>(n));
    std::size_t end = 0;
    while ((end = pending_.find('\n')) != std::string::npos) {
        const auto line = pending_.substr(0, end);
        pending_.erase(0, end + 1);
        handle(line);
    }
}

void Control::handle(const std::string& line) {
    const auto blank = line.find(' ');
    const auto command = line.substr(0, blank);
    const auto rest = blank == std::string::npos ? std::string{} : line.substr(blank + 1);
    if (command == "settle")
        return answerWhenSettled();
    try {
        const auto result = run(command, rest);
        hooks_.kernelMoved();
        answer(result.is_null() ? "ok" : "ok " + result.dump());
    } catch (const std::exception& error) {
        answer(std::string("error ") + error.what());
    }
}

bool Control::fault(const std::string& command, const std::string& rest) {
    const auto number = [&rest] { return static_cast<std::size_t>(std::stoul(rest)); };
    if (command == "fail-at") {
        const auto [text, code, times] = splitTextErrno(rest);
        kernel_.failWhen(holding(text), Fault::error(code), times);
    } else if (command == "fail") {
        const auto [text, code, times] = splitTextErrno(rest);
        for (unsigned i = 0; i < times; ++i)
            kernel_.failAt(std::stoul(text) + i, Fault::error(code));
    } else if (command == "hang-at")
        kernel_.failWhen(holding(rest), Fault::hang());
    else if (command == "hang")
        kernel_.failAt(number(), Fault::hang());
    else if (command == "kill")
        kernel_.failAt(number(), Fault::killBefore());
    else if (command == "kill-after")
        kernel_.failAt(number(), Fault::killAfter());
    else if (command == "vanish")
        kernel_.failAt(number(), Fault::vanish());
    else
        return false;
    return true;
}

json Control::run(const std::string& command, const std::string& rest) {
    std::istringstream words(rest);
    std::string first;
    words >> first;
    if (fault(command, rest))
        return nullptr;
    if (command == "hotplug")
        kernel_.hotplug(deviceFrom(json::parse(rest)));
    else if (command == "swap") {
        auto device = deviceFrom(json::parse(rest));
        kernel_.unplug(device.address);
        kernel_.hotplug(std::move(device));
    } else if (command == "unplug")
        kernel_.unplug(first);
    else if (command == "vfs" || command == "echo") {
        std::string data;
        words >> data;
        const auto path =
            command == "echo" ? first : fmt::format("/sys/bus/pci/devices/{}/sriov_numvfs", first);
        try {
            if (auto written = kernel_.writeAsOther(path, data == "(newline)" ? "\n" : data); !written)
                throw std::runtime_error(written.error().str());
        } catch (const FakeKernel::Hung&) {
            // The other program waits in the kernel, not we.
        }
    } else if (command == "late-links")
        kernel_.lateLinks = true;
    else if (command == "link-functions")
        kernel_.linkFunctions();
    else if (command == "put") {
        std::string text;
        words >> text;
        kernel_.putFile(first, text);
    } else if (command == "hold") {
        unsigned group = 0;
        unsigned user = 0;
        words >> group >> user;
        if (const int code = kernel_.startHolder({.pid = std::stoi(first), .uid = user, .group = group});
            code != 0)
            throw std::runtime_error("the VM gets " + errnoName(code));
    } else if (command == "end")
        kernel_.endProcess(std::stoi(first));
    else if (command == "finish-hang") {
        if (!kernel_.anythingHangs())
            throw std::runtime_error("nothing hangs: settle before");
        kernel_.finishHang();
    } else if (command == "clear-writes")
        kernel_.clearWrites();
    else if (command == "install-module")
        kernel_.addUnloadedModule({driverFrom(json::parse(rest))});
    else if (command == "overflow")
        hooks_.overflow();
    else if (command == "no-processes" || command == "processes")
        hooks_.noProcesses(command == "no-processes");
    else if (command == "no-index")
        hooks_.noIndex();
    else if (command == "silent-workers" || command == "workers")
        hooks_.silentWorkers(command == "silent-workers");
    else if (command == "looks")
        return hooks_.looks();
    else if (command == "hotplug-at-word")
        hooks_.atWord([this, device = deviceFrom(json::parse(rest))] { kernel_.hotplug(device); });
    else if (command == "dying-workers")
        hooks_.dyingWorkers(static_cast<unsigned>(std::stoul(first)));
    else if (command == "no-udev" || command == "udev")
        hooks_.udevRuns(command == "udev");
    else if (command == "restart")
        hooks_.restart();
    else if (command == "lose-store")
        hooks_.loseStore();
    else if (command == "stored-leases")
        return hooks_.storedLeases();
    else if (command == "state")
        return kernel_.state();
    else if (command == "modules") {
        auto names = json::array();
        for (const auto* name : {"vfio", "vfio_pci"})
            if (kernel_.exists(std::string("/sys/module/") + name))
                names.push_back(name);
        return names;
    } else if (command == "violations")
        return hooks_.violations();
    else if (command == "writes") {
        auto list = json::array();
        for (const auto& write : kernel_.writes())
            list.push_back(write.str());
        return list;
    } else
        throw std::invalid_argument("there is no command " + command);
    return nullptr;
}

/// One more round of the loop after the last work: what that has queued for the bus is out by then.
void Control::answerWhenSettled() {
    settling_ = loop_.soon([this] {
        if (!hooks_.idle())
            return answerWhenSettled();
        settling_.reset();
        answer("ok");
    });
}

void Control::answer(const std::string& line) {
    const auto text = line + '\n';
    std::size_t sent = 0;
    while (sent < text.size()) {
        const auto n = write(STDOUT_FILENO, text.data() + sent, text.size() - sent);
        if (n < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "answering the test");
        sent += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
}

} // namespace vfiobind
