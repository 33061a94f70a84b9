// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bind-early: the policy before udev, in an initramfs and in early boot. It ends with 0 whatever
// happens: a device that could not be taken is no reason not to boot. What failed is in early.log, which the
// daemon tells.
#include "config/config.h"
#include "early/early.h"
#include "early/parallel.h"
#include "early/serials.h"
#include "pci/text.h"
#include "rules/initramfs.h"
#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"
#include "version.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace vfiobind;

enum class Mode { run, giveBack, modules, takenIn, serials, serial };

constexpr std::string_view help =
    "vfio-bind-early: hands PCI devices to VFIO before udev starts, as /etc/vfio-bind.toml says.\n"
    "  --config FILE     the configuration file [/etc/vfio-bind.toml]\n"
    "  --state DIR       where run-time state is kept [/run/vfio-bind]\n"
    "  --limit SECONDS   for the modules, the virtual functions, and the groups, each [20]\n"
    "  --initramfs       it runs in an initramfs\n"
    "  --dry-run         print what would be done\n"
    "  --give-back       let go of what was taken, and remove the rules\n"
    "  --modules         print the modules that an initramfs needs for it\n"
    "  --taken-in KERNEL write down what of the configuration goes into the initramfs of that kernel\n"
    "  --serials         read the devices' serial numbers, if a rule names one; needs CAP_SYS_ADMIN\n"
    "  --serial ADDRESS  read one device's, and print it for udev's IMPORT{program}\n"
    "  --version, --help\n";

struct Arguments {
    early::Options options;
    Mode mode = Mode::run;
    std::string kernel; ///< of Mode::takenIn
    Address device;     ///< of Mode::serial
};

/// Parses the arguments. Returns nothing, after a sentence on standard error, if they are wrong.
std::optional<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    auto& options = arguments.options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const bool takesValue = word == "--config" || word == "--state" || word == "--limit" ||
                                word == "--taken-in" || word == "--serial";
        if (takesValue && i + 1 == argc) {
            fmt::print(stderr, "vfio-bind-early: {} lacks its value\n", word);
            return std::nullopt;
        }
        const std::string_view value = takesValue ? argv[++i] : "";
        unsigned seconds = 0;
        const bool number =
            std::from_chars(value.data(), value.data() + value.size(), seconds).ec == std::errc{};
        if (word == "--config")
            options.config = value;
        else if (word == "--state")
            options.stateDirectory = value;
        else if (word == "--limit" && number && seconds > 0)
            options.limit = std::chrono::seconds(seconds);
        else if (word == "--taken-in" && !value.empty() && !value.starts_with('.') && !value.contains('/')) {
            arguments.kernel = value;
            arguments.mode = Mode::takenIn;
        } else if (word == "--dry-run")
            options.dryRun = true;
        else if (word == "--initramfs")
            options.inInitramfs = true;
        else if (word == "--give-back")
            arguments.mode = Mode::giveBack;
        else if (word == "--modules")
            arguments.mode = Mode::modules;
        else if (word == "--serials")
            arguments.mode = Mode::serials;
        else if (const auto address = Address::parse(value); word == "--serial" && address) {
            arguments.mode = Mode::serial;
            arguments.device = *address;
        } else {
            fmt::print(stderr, "vfio-bind-early: '{}{}{}' is not understood; --help lists the options\n",
                       word, takesValue ? " " : "", value);
            return std::nullopt;
        }
    }
    return arguments;
}

/// One write(2) a line, and none too long: an initramfs sends it to /dev/kmsg, which refuses more than about
/// 1,000 bytes. That nobody can be told here is no failure: what failed is in early.log.
void say(int fd, std::string_view text) {
    constexpr std::size_t most = 900;
    for (auto line : split(text, '\n'))
        do {
            const auto part = fmt::format("vfio-bind-early: {}\n", line.substr(0, most));
            if (write(fd, part.data(), part.size()) < 0)
                return;
            line.remove_prefix(std::min(most, line.size()));
        } while (!line.empty());
}

/// Appends to the log, since the initramfs and the early unit both write it.
void keep(const std::vector<std::string>& failures, const std::string& stateDirectory) {
    if (failures.empty())
        return;
    const auto file = stateDirectory + "/early.log";
    auto text = RealSysfs().read(file).value_or("");
    if (!text.empty())
        text += '\n'; // read() keeps the last one out
    for (const auto& sentence : failures)
        text += sentence + '\n';
    if (auto written = writeFileAtomically(file, text, 0644); !written)
        say(STDERR_FILENO, written.error().str());
}

void printModules(const early::Options& options) {
    RealSysfs sysfs;
    early::Early program(sysfs, options);
    for (const auto& module : program.neededModules())
        fmt::print("{}\n", module);
    for (const auto& sentence : program.failures())
        say(STDERR_FILENO, sentence);
}

/// For the hook that builds an initramfs. What was written for kernels that are gone goes.
void writeTakenIn(const Arguments& arguments) {
    const RealSysfs sysfs;
    const auto file = takenInFile(arguments.kernel);
    const auto folder = file.substr(0, file.rfind('/'));
    mkdir(folder.substr(0, folder.rfind('/')).c_str(), 0755); // that it cannot be had shows in the next
    if (const auto written =
            writeFileAtomically(file, digestsOf(sysfs, configFiles(arguments.options.config)), 0644);
        !written)
        say(STDERR_FILENO, written.error().str());
    for (const auto& kernel : sysfs.list(folder).value_or(std::vector<std::string>{}))
        if (!sysfs.exists("/lib/modules/" + kernel) && unlink((folder + '/' + kernel).c_str()) != 0)
            say(STDERR_FILENO, SysError{"unlink", folder + '/' + kernel, errno}.str());
}

void readSerials(const early::Options& options) {
    RealSysfs sysfs;
    early::Early program(sysfs, options);
    program.readSerials();
    keep(program.failures(), options.stateDirectory);
    for (const auto& sentence : program.failures())
        say(STDERR_FILENO, sentence);
}

/// The number as udev takes it, and kept for the others.
void tellSerial(const Address& device) {
    const RealSysfs sysfs;
    if (const auto kept = early::keepSerial(sysfs, device); !kept)
        say(STDERR_FILENO, kept.error().str());
    if (const auto serial = early::serialOf(sysfs, device))
        fmt::print("VFIO_BIND_SERIAL={}\n", *serial);
}

early::Report attempt(const Arguments& arguments) {
    RealSysfs sysfs;
    early::Early program(sysfs, arguments.options);
    try {
        return arguments.mode == Mode::giveBack ? program.giveBack() : program.run();
    } catch (const std::exception& error) {
        early::Report report{.lines = {}, .failures = program.failures()};
        report.failures.push_back(fmt::format("it ended early: {}", error.what()));
        return report;
    }
}

void carryOut(const Arguments& arguments) {
    const auto report = attempt(arguments);
    if (!arguments.options.dryRun)
        keep(report.failures, arguments.options.stateDirectory);
    for (const auto& line : report.lines)
        say(STDOUT_FILENO, line);
    for (const auto& sentence : report.failures)
        say(STDERR_FILENO, sentence);
}

/// The limit for all steps together; less than TimeoutStartSec= of vfio-bind-early.service.
constexpr std::chrono::seconds overallLimit{45};

/// Even a read of sysfs can wait where no signal reaches it: driver_override's takes the device's lock, which
/// a probe that hangs holds. So a child does the work, and is left behind where it takes too long.
void carryOutInTime(const Arguments& arguments) {
    const int pid = fork();
    if (pid <= 0) {
        carryOut(arguments); // without a child too: without a limit is better than not at all
        if (pid == 0)
            _exit(EXIT_SUCCESS);
        return;
    }
    std::string failure;
    int status = 0;
    if (!early::endsInTime(pid, overallLimit))
        failure = fmt::format("has not ended within {} s and was left behind; it hangs in the kernel",
                              overallLimit.count());
    else if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        failure = fmt::format("was ended by signal {}", WTERMSIG(status));
    if (failure.empty())
        return;
    if (!arguments.options.dryRun)
        keep({"vfio-bind-early " + failure}, arguments.options.stateDirectory);
    say(STDERR_FILENO, failure);
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view first = argc == 2 ? argv[1] : "";
    if (first == "--help" || first == "--version") {
        fmt::print("{}", first == "--help" ? help : "vfio-bind-early " VFIO_BIND_VERSION "\n");
        return EXIT_SUCCESS;
    }
    const auto arguments = parse(argc, argv);
    if (!arguments)
        return 2; // no boot has these arguments
    try {
        if (arguments->mode == Mode::modules)
            printModules(arguments->options);
        else if (arguments->mode == Mode::takenIn)
            writeTakenIn(*arguments);
        else if (arguments->mode == Mode::serials)
            readSerials(arguments->options);
        else if (arguments->mode == Mode::serial)
            tellSerial(arguments->device);
        else
            carryOutInTime(*arguments);
    } catch (const std::exception& error) {
        say(STDERR_FILENO, error.what());
    }
    return EXIT_SUCCESS;
}
