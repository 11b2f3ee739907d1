// Runs every file of a corpus directory through one fuzz target, without a fuzzer. Needs at least one file.
// Without an argument, replay_NAME takes the directory NAME in $ITK2_CORPORA.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

namespace fs = std::filesystem;

fs::path corpus_of(const fs::path &program) {
    const char *corpora = std::getenv("ITK2_CORPORA");
    const std::string name = program.filename().string();
    const std::size_t end_of_verb = name.find('_'); // npos + 1 is 0
    return fs::path(corpora == nullptr ? "." : corpora) / name.substr(end_of_verb + 1);
}

std::vector<fs::path> files_of(const fs::path &directory) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator i(directory, error), end; !error && i != end; i.increment(error))
        if (i->is_regular_file(error)) files.push_back(i->path());
    std::sort(files.begin(), files.end());
    return files;
}

bool replay(const fs::path &file) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<char> read{std::istreambuf_iterator<char>(stream), {}};
    if (!stream.good() && !stream.eof()) return false;
    const std::vector<std::uint8_t> bytes(read.begin(), read.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    return true;
}

} // namespace

int main(int argc, char **argv) {
    const fs::path corpus = argc > 1 ? fs::path(argv[1]) : corpus_of(argv[0]);
    const std::vector<fs::path> files = files_of(corpus);
    std::printf("1..1\n");
    const bool all_read = std::all_of(files.begin(), files.end(), replay);
    const bool passed = all_read && !files.empty();
    std::printf("%s 1 - %zu inputs of %s replayed\n", passed ? "ok" : "not ok", files.size(), corpus.c_str());
    return passed ? 0 : 1;
}
