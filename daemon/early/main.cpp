// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bind-early: the policy before udev, in an initramfs and in early boot. It ends with 0 whatever
// happens: a device that could not be taken is no reason not to boot. What failed is in early.log, which the
// daemon tells.
#include "early/early.h"
#include "sysfs/real_sysfs.h"
#include "transaction/journal.h"
#include "version.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fmt/format.h>
#include <optional>
#include <string_view>
#include <unistd.h>

namespace {

using namespace vfiobind;

enum class Mode { run, giveBack, modules };

constexpr std::string_view help =
    "vfio-bind-early: hands PCI devices to VFIO before udev starts, as /etc/vfio-bind.toml says.\n"
    "  --config FILE     the configuration file [/etc/vfio-bind.toml]\n"
    "  --state DIR       where run-time state is kept [/run/vfio-bind]\n"
    "  --limit SECONDS   for all groups together [20]\n"
    "  --initramfs       it runs in an initramfs\n"
    "  --dry-run         print what would be done\n"
    "  --give-back       let go of what was taken, and remove the rules\n"
    "  --modules         print the modules that an initramfs needs for it\n"
    "  --version, --help\n";

struct Arguments {
    early::Options options;
    Mode mode = Mode::run;
};

/// No value, and a sentence on standard error, where they are wrong.
std::optional<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    auto& options = arguments.options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const bool takesValue = word == "--config" || word == "--state" || word == "--limit";
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
        else if (word == "--dry-run")
            options.dryRun = true;
        else if (word == "--initramfs")
            options.inInitramfs = true;
        else if (word == "--give-back")
            arguments.mode = Mode::giveBack;
        else if (word == "--modules")
            arguments.mode = Mode::modules;
        else {
            fmt::print(stderr, "vfio-bind-early: '{}{}{}' is not understood; --help lists the options\n",
                       word, takesValue ? " " : "", value);
            return std::nullopt;
        }
    }
    return arguments;
}

/// The initramfs and the early unit both write: what one had to tell stays.
void keep(const early::Report& report, const std::string& stateDirectory) {
    if (report.failures.empty())
        return;
    const auto file = stateDirectory + "/early.log";
    auto text = RealSysfs().read(file).value_or("");
    for (const auto& sentence : report.failures)
        text += sentence + '\n';
    if (auto written = writeFileAtomically(file, text, 0644); !written)
        fmt::print(stderr, "vfio-bind-early: {}\n", written.error().str());
}

void carryOut(const Arguments& arguments) {
    RealSysfs sysfs;
    early::Early program(sysfs, arguments.options);
    if (arguments.mode == Mode::modules) {
        for (const auto& module : program.neededModules())
            fmt::print("{}\n", module);
        for (const auto& sentence : program.failures())
            fmt::print(stderr, "vfio-bind-early: {}\n", sentence);
        return;
    }
    const auto report = arguments.mode == Mode::giveBack ? program.giveBack() : program.run();
    for (const auto& line : report.lines)
        fmt::print("vfio-bind-early: {}\n", line);
    for (const auto& sentence : report.failures)
        fmt::print(stderr, "vfio-bind-early: {}\n", sentence);
    if (!arguments.options.dryRun)
        keep(report, arguments.options.stateDirectory);
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
        return 2; // nobody's boot says this
    try {
        carryOut(*arguments);
    } catch (const std::exception& error) {
        fmt::print(stderr, "vfio-bind-early: {}\n", error.what());
    }
    return EXIT_SUCCESS;
}
