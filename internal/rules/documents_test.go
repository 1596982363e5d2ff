package rules

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the Markdown pages by their path, without what stands in blocks of code.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "../../README.md", "../../events/README.md") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel("../..", f)
		if err != nil {
			t.Fatal(err)
		}
		pages[filepath.ToSlash(name)] = regexp.MustCompile("(?ms)^ *```.*?^ *```$").ReplaceAllString(string(b), "")
	}
	return pages
}

// anchors are the headings of a page as GitHub's links name them: lower case, without punctuation, dashes for spaces.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		all[strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}

// Whoever follows a link at night arrives.
func TestLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	for name, text := range pages {
		for _, m := range regexp.MustCompile(`\]\(([^()\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			file, anchor, deep := strings.Cut(m[1], "#")
			to := name
			if file != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			if _, err := os.Stat(filepath.Join("../..", to)); err != nil {
				t.Errorf("%s: %s is not there", name, m[1])
			} else if deep && !anchors(pages[to])[anchor] {
				t.Errorf("%s: %s has no heading #%s", name, to, anchor)
			}
		}
	}
}

// A newcomer finds every page from the first one.
func TestTheReadmeNamesEveryPage(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	for name := range pages {
		if name != "README.md" && !strings.Contains(pages["README.md"], "]("+name+")") {
			t.Errorf("README.md does not link to %s", name)
		}
	}
}

// What sam asks for, what alarms call, and what functions measure is explained where people look it up.
func TestTheGuideExplainsTheTemplate(t *testing.T) {
	t.Parallel()
	d := template(t)
	guide := documents(t)["docs/operations.md"]
	var names []string
	for name := range d.Parameters {
		names = append(names, name)
	}
	for metric := range d.metrics() {
		names = append(names, metric)
	}
	names = append(names, d.typed("AWS::CloudWatch::Alarm")...)
	slices.Sort(names)
	for _, name := range names {
		if !strings.Contains(guide, fmt.Sprintf("`%s`", name)) {
			t.Errorf("docs/operations.md says nothing of %s", name)
		}
	}
}

// sam deploy --guided asks in the order of the template: README.md shows the questions, and what Enter answers.
func TestTheReadmeShowsWhatSamAsks(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		b, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	parameters, _, _ := strings.Cut(read("template.yaml"), "\nRules:")
	d := template(t)
	var want, got []string
	for _, m := range regexp.MustCompile(`(?m)^  (\w+):\n    Type: `).FindAllStringSubmatch(parameters, -1) {
		want = append(want, fmt.Sprintf("%s [%v]", m[1], d.Parameters[m[1]]["Default"]))
	}
	for _, m := range regexp.MustCompile(`(?m)^Parameter (\w+ \[.*?\]):`).FindAllStringSubmatch(read("README.md"), -1) {
		got = append(got, m[1])
	}
	if !slices.Equal(got, want) || len(want) != len(d.Parameters) {
		t.Errorf("README.md shows the questions\n%q\nand sam asks\n%q", got, want)
	}
}

// Who restores by the guide has every right that its commands ask for, without a condition: no service calls for them.
func TestTheRightsOfARestoreCoverItsCommands(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, restore, _ := strings.Cut(string(b), "\n## Back up and restore\n")
	restore, _, _ = strings.Cut(restore, "\n## ")
	_, rights, _ := strings.Cut(string(b), "\n**A [restore](#back-up-and-restore)** takes")
	_, rights, _ = strings.Cut(rights, "```json\n")
	rights, _, _ = strings.Cut(rights, "```")
	var policy object
	if err := json.Unmarshal([]byte(rights), &policy); err != nil {
		t.Fatalf("the rights of a restore are no policy: %v", err)
	}
	var granted []string
	for _, s := range many(policy["Statement"]) {
		if at(s, "Condition") == nil {
			for _, action := range many(at(s, "Action")) {
				granted = append(granted, action.(string))
			}
		}
	}
	commands := regexp.MustCompile(`\baws ([a-z]+) ([a-z]+(?:-[a-z]+)*)`).FindAllStringSubmatch(restore, -1)
	if len(commands) < 10 {
		t.Fatalf("the guide restores by %d commands", len(commands))
	}
	for _, c := range commands {
		action := c[1] + ":"
		for _, word := range strings.Split(c[2], "-") {
			action += strings.ToUpper(word[:1]) + word[1:]
		}
		if !slices.Contains(granted, action) {
			t.Errorf("the rights of a restore lack %s, for %s", action, c[0])
		}
	}
}
