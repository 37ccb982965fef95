// gojson says which keys Go takes for which. Without arguments it prints, for every character of Unicode, the keys of one
// letter, digit or mark that encoding/json takes it for, and those that strings.ToLower makes of it:
// "CODEPOINT json|lower KEY". With -keys it reads pairs of lines, a key of a struct and a key of a document, and prints 1
// or 0 for each pair.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"
)

const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789._-"

func structOf(keys []string) reflect.Type {
	fields := make([]reflect.StructField, len(keys))
	for i, key := range keys {
		fields[i] = reflect.StructField{
			Name: fmt.Sprintf("F%d", i), Type: reflect.TypeOf(0), Tag: reflect.StructTag(fmt.Sprintf("json:%q", key)),
		}
	}
	return reflect.StructOf(fields)
}

// taken returns the numbers of the fields that a document with this one key sets.
func taken(kind reflect.Type, key string) []int {
	name, err := json.Marshal(key)
	if err != nil {
		panic(err)
	}
	value := reflect.New(kind)
	if err := json.Unmarshal([]byte("{"+string(name)+":1}"), value.Interface()); err != nil {
		panic(err)
	}
	var set []int
	for i := 0; i < kind.NumField(); i++ {
		if value.Elem().Field(i).Int() == 1 {
			set = append(set, i)
		}
	}
	return set
}

func characters(out *bufio.Writer) {
	// A lone "-" as a tag means no key at all, so each key is the character behind an x.
	keys := make([]string, len(alphabet))
	for i, char := range alphabet {
		keys[i] = "x" + string(char)
	}
	kind := structOf(keys)
	for char := rune(0); char <= utf8.MaxRune; char++ {
		if !utf8.ValidRune(char) {
			continue
		}
		for _, field := range taken(kind, "x"+string(char)) {
			fmt.Fprintf(out, "%d json %c\n", char, alphabet[field])
		}
		if lower := strings.ToLower(string(char)); len(lower) == 1 && strings.Contains(alphabet, lower) {
			fmt.Fprintf(out, "%d lower %s\n", char, lower)
		}
	}
}

func pairs(out *bufio.Writer) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		kind := structOf([]string{in.Text()})
		if !in.Scan() {
			panic("an odd number of lines")
		}
		fmt.Fprintln(out, len(taken(kind, in.Text())))
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if len(os.Args) > 1 && os.Args[1] == "-keys" {
		pairs(out)
		return
	}
	characters(out)
}
