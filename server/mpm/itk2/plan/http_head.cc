// What it is: reads a request head the way httpd's protocol.c and apr_uri_parse() do, as far as the host goes.
// Where httpd answers 400 under any HttpProtocolOptions, the sight is other or the host does not matter.
// Distrusts: every byte.
#include "plan/http_head.h"

#include "base/ascii.h"

#include <algorithm>
#include <cstring>

namespace itk2::plan {
namespace {

constexpr std::size_t longest_line = 16384;
constexpr int most_blank_lines = 10; // DEFAULT_LIMIT_BLANK_LINES

constexpr auto is_blank = [](char c) {
    return c == ' ' || c == '\t';
};

struct Line {
    std::string_view text; // without CR and LF
    bool whole = false;    // its LF is there
};

// Cuts the first line off.
Line next_line(std::string_view &rest) {
    Line line;
    const std::size_t end = rest.find('\n');
    line.whole = end != std::string_view::npos;
    line.text = {rest.data(), line.whole ? end : rest.size()};
    rest.remove_prefix(line.whole ? end + 1 : rest.size());
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    return line;
}

// Whether any byte is below `limit`. Eight at a time: a browser's head has hundreds of bytes, and
// nearly none has such.
template <unsigned char limit> bool has_below(std::string_view text) {
    static_assert(limit <= 0x80);
    constexpr std::uint64_t ones = 0x0101010101010101;
    while (text.size() >= sizeof(std::uint64_t)) {
        std::uint64_t eight = 0;
        std::memcpy(&eight, text.data(), sizeof eight);
        if (((eight - limit * ones) & ~eight & (0x80 * ones)) != 0) return true;
        text.remove_prefix(sizeof eight);
    }
    return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < limit; });
}

// What holds for every beginning of a request line too.
bool may_be_request_line(std::string_view text) {
    if (text.size() > longest_line) return false;
    if (!text.empty() && (text[0] <= ' ' || text[0] > '~')) return false; // char may be signed: 0x80 and up fail too
    if (text.find('\x7f') != std::string_view::npos) return false;
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < ' ' && c != '\t';
    };
    return !has_below<' '>(text) || std::none_of(text.begin(), text.end(), is_control);
}

bool may_be_field(std::string_view text) {
    const auto is_refused = [](char c) {
        return c == '\0' || c == '\v' || c == '\f' || c == '\r';
    };
    return text.size() <= longest_line &&
           (!has_below<'\r' + 1>(text) || std::none_of(text.begin(), text.end(), is_refused));
}

std::string_view first_part(std::string_view text, std::size_t length) {
    return {text.data(), std::min(length, text.size())};
}

void skip(std::string_view &text, std::size_t length) { text.remove_prefix(std::min(length, text.size())); }

// find_first_of() of the standard library would call memchr() for each byte.
template <typename IsEnd> std::string_view up_to(std::string_view text, IsEnd is_end) {
    return {text.data(), static_cast<std::size_t>(std::find_if(text.begin(), text.end(), is_end) - text.begin())};
}

// Cuts the next word off, with the blanks before it; empty at the end.
std::string_view next_word(std::string_view &text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    const std::string_view word = up_to(text, is_blank);
    text.remove_prefix(word.size());
    return word;
}

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// An authority's host, in brackets where it has them, without user and port.
std::string_view host_of(std::string_view authority) {
    const std::size_t at = authority.rfind('@');
    if (at != std::string_view::npos) authority.remove_prefix(at + 1);
    const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
    return first_part(authority, authority.find(':', bracket));
}

// The length of "scheme:"; 0 where the target doesn't start with one.
std::size_t scheme_length(std::string_view target) {
    const auto is_letter = [](char c) {
        return lower_case(c) >= 'a' && lower_case(c) <= 'z';
    };
    if (target.empty() || !is_letter(target[0])) return 0;
    for (std::size_t i = 1; i < target.size(); i++) {
        const char c = target[i];
        if (c == ':') return i + 1;
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return 0;
    }
    return 0;
}

void set_host(std::string_view host, FirstBytes &first) {
    first.has_host = true;
    first.host = host;
}

constexpr auto ends_path = [](char c) {
    return c == '?' || c == '#';
};
constexpr auto ends_authority = [](char c) {
    return c == '/' || ends_path(c);
};

void read_target(std::string_view method, std::string_view target, FirstBytes &first) {
    while (target.starts_with("//")) target.remove_prefix(1);
    if (method == "CONNECT") return set_host(host_of(target), first);
    const std::size_t scheme = scheme_length(target);
    const bool is_http = equals_ignoring_case(first_part(target, scheme), "http:");
    skip(target, scheme);
    if (scheme > 0 && target.starts_with("//")) {
        target.remove_prefix(2);
        const std::string_view authority = up_to(target, ends_authority);
        // httpd ignores the authority of another scheme than the connection's own.
        if (is_http) set_host(host_of(authority), first);
        skip(target, authority.size());
    }
    first.path = up_to(target, ends_path);
}

// "HTTP/1.0" and the like; a major version 0 is refused by httpd.
bool is_version(std::string_view word) {
    const auto is_digit = [](char c) {
        return c >= '0' && c <= '9';
    };
    return word.size() == 8 && equals_ignoring_case(first_part(word, 5), "http/") && is_digit(word[5]) &&
           word[5] != '0' && word[6] == '.' && is_digit(word[7]);
}

// http for a simple (HTTP/0.9) request, incomplete where fields follow.
Sight read_request_line(std::string_view line, FirstBytes &first) {
    const std::string_view method = next_word(line);
    const std::string_view target = next_word(line);
    const std::string_view version = next_word(line);
    if (target.empty() || !next_word(line).empty()) return Sight::other;
    if (!version.empty() && !is_version(version)) return Sight::other;
    read_target(method, target, first);
    return version.empty() ? Sight::http : Sight::incomplete;
}

// As read_request_line(), after the blank lines before it; incomplete and not whole where it has not come yet.
Sight find_request_line(std::string_view &rest, FirstBytes &first, bool &whole) {
    for (int blank_lines = 0; blank_lines <= most_blank_lines; blank_lines++) {
        const Line line = next_line(rest);
        if (!may_be_request_line(line.text)) return Sight::other;
        whole = line.whole;
        if (!whole) return Sight::incomplete;
        if (!line.text.empty()) return read_request_line(line.text, first);
    }
    return Sight::other;
}

// Collects the Host field from a head's lines, one after the other.
class Fields {
  public:
    // Takes the next line, not the empty one at the end. False where httpd answers 400.
    [[nodiscard]] bool take(std::string_view line) { return is_blank(line[0]) ? take_fold(line) : take_field(line); }
    [[nodiscard]] std::string_view host() const { return host_; }
    // httpd joins two Host fields, or a folded one's parts, to what is no host name.
    [[nodiscard]] bool host_is_in_parts() const { return in_parts_; }

  private:
    bool take_fold(std::string_view line) {
        const std::string_view value = without_blanks(line);
        if (!any_field_ || value.empty()) return false;
        if (in_host_) add_to_host(value);
        return true;
    }
    bool take_field(std::string_view line) {
        const std::string_view name = first_part(line, line.find(':'));
        if (name.empty() || name.size() == line.size() || std::any_of(name.begin(), name.end(), is_blank)) return false;
        any_field_ = true;
        in_host_ = equals_ignoring_case(name, "host");
        if (!in_host_) return true;
        if (seen_host_) in_parts_ = true;
        seen_host_ = true;
        skip(line, name.size() + 1);
        const std::string_view value = without_blanks(line);
        if (!value.empty()) add_to_host(value);
        return true;
    }
    void add_to_host(std::string_view value) {
        if (!host_.empty()) in_parts_ = true;
        host_ = value;
    }

    std::string_view host_;
    bool any_field_ = false;
    bool in_host_ = false;
    bool seen_host_ = false;
    bool in_parts_ = false;
};

// http when the head is whole; cuts it off then.
Sight read_fields(std::string_view &rest, FirstBytes &first) {
    const bool target_has_host = first.has_host;
    Fields fields;
    for (;;) {
        const Line line = next_line(rest);
        if (!may_be_field(line.text)) return Sight::other;
        if (line.whole && line.text.empty()) return Sight::http;
        if (!line.whole) return Sight::incomplete;
        if (!fields.take(line.text)) return Sight::other;
        if (target_has_host) continue;
        if (fields.host_is_in_parts()) return Sight::other;
        first.host = fields.host();
        first.has_host = !first.host.empty();
    }
}

} // namespace

void look_at_http_head(std::string_view bytes, bool more_may_come, FirstBytes &first) {
    std::string_view rest = bytes;
    bool has_request_line = false;
    first.sight = find_request_line(rest, first, has_request_line);
    if (first.sight == Sight::incomplete && has_request_line) first.sight = read_fields(rest, first);
    if (first.sight == Sight::http) first.head_length = bytes.size() - rest.size();
    // What a cut-off head has told so far is still the best there is.
    if (first.sight == Sight::incomplete && !more_may_come) first.sight = has_request_line ? Sight::http : Sight::other;
    if (first.sight == Sight::http) return;
    first.has_host = false;
    first.host = first.path = {};
}

} // namespace itk2::plan
