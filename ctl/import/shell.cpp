// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/shell.h"

#include <cctype>

namespace vfiobind::ctl {
namespace {

bool isBlank(char c) {
    return c == ' ' || c == '\t';
}

bool isNameChar(char c, bool first) {
    return c == '_' || (first ? std::isalpha(static_cast<unsigned char>(c))
                              : std::isalnum(static_cast<unsigned char>(c))) != 0;
}

class ShellReader {
public:
    explicit ShellReader(std::string_view text) : text_(text) {}

    ShellText read() {
        while (!atEnd()) {
            if (peek() == '\n' || isBlank(peek()) || peek() == ';')
                next();
            else if (peek() == '#')
                skipLine();
            else if (!assignment())
                word(nullptr); // of some other command
        }
        return std::move(result_);
    }

private:
    bool atEnd() const { return at_ >= text_.size(); }
    char peek() const { return text_[at_]; }
    char next() {
        if (text_[at_] == '\n')
            ++line_;
        return text_[at_++];
    }
    void skipLine() {
        while (!atEnd() && peek() != '\n')
            next();
    }

    bool assignment() {
        std::size_t end = at_;
        while (end < text_.size() && isNameChar(text_[end], end == at_))
            ++end;
        const std::string_view rest = text_.substr(end);
        const std::size_t sign = rest.starts_with("+=") ? 2 : rest.starts_with('=') ? 1 : 0;
        if (end == at_ || sign == 0)
            return false;
        Assignment found{.line = line_,
                         .name = std::string(text_.substr(at_, end - at_)),
                         .words = {},
                         .added = sign == 2};
        at_ = end + sign;
        if (!atEnd() && peek() == '(')
            list(found.words);
        else
            word(&found.words);
        result_.assignments.push_back(std::move(found));
        return true;
    }

    /// `(a b "c")`, over several lines.
    void list(std::vector<std::string>& words) {
        const unsigned begin = line_;
        next();
        while (!atEnd() && peek() != ')') {
            if (peek() == '#')
                skipLine();
            else if (peek() == '\n' || peek() == ';' || isBlank(peek()))
                next();
            else
                word(&words);
        }
        if (atEnd())
            result_.openQuote = begin;
        else
            next();
    }

    /// Up to a blank, a newline or a `;` that no quote hides; in quotes blanks part words, too.
    void word(std::vector<std::string>* words) {
        std::string current;
        const auto finish = [&] {
            if (words != nullptr && !current.empty())
                words->push_back(current);
            current.clear();
        };
        char quote = 0;
        const std::size_t begin = at_;
        unsigned quoteLine = 0;
        while (!atEnd()) {
            const char c = peek();
            if (quote == 0 && (isBlank(c) || c == '\n' || c == ';' || (c == ')' && at_ > begin)))
                break;
            next();
            if (c == '\\' && quote != '\'' && !atEnd()) {
                if (const char escaped = next(); escaped != '\n')
                    current += escaped;
            } else if (quote == 0 && (c == '"' || c == '\'')) {
                quote = c;
                quoteLine = line_;
            } else if (c == quote) {
                quote = 0;
            } else if (isBlank(c) || c == '\n') {
                finish();
            } else {
                current += c;
            }
        }
        if (quote != 0)
            result_.openQuote = quoteLine;
        finish();
    }

    std::string_view text_;
    std::size_t at_ = 0;
    unsigned line_ = 1;
    ShellText result_;
};

} // namespace

ShellText readShell(std::string_view text) {
    return ShellReader(text).read();
}

} // namespace vfiobind::ctl
