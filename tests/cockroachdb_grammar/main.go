// Command cockroachdb_grammar parses SQL files with CockroachDB's own parser. It needs no server, and so says
// nothing of types, names or behaviour. For each statement that is refused it prints file:line and why, and ends with 1.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/parser"
	// Also registers PL/pgSQL: without it a DO statement crashes the parser.
	plpgsql "github.com/cockroachdb/cockroachdb-parser/pkg/sql/plpgsql/parser"
	"github.com/cockroachdb/cockroachdb-parser/pkg/sql/sem/tree"
)

func main() {
	parsed, refused := 0, 0
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		for _, piece := range split(string(text)) {
			if err := check(piece.sql); err != nil {
				fmt.Printf("%s:%d: %s\n", path, piece.line, strings.ReplaceAll(err.Error(), "\n", " "))
				refused++
			} else {
				parsed++
			}
		}
	}
	fmt.Printf("%d statements parsed, %d refused\n", parsed, refused)
	if refused > 0 {
		os.Exit(1)
	}
}

type statement struct {
	sql  string
	line int
}

// split cuts a file into statements, so that one that is refused does not hide the next.
func split(text string) []statement {
	var found []statement
	line := 1
	for strings.TrimSpace(text) != "" {
		end, more := parser.SplitFirstStatement(text)
		if !more {
			end = len(text)
		}
		piece := text[:end]
		body := strings.TrimLeft(piece, " \t\n")
		if body != "" {
			found = append(found, statement{piece, line + strings.Count(piece[:len(piece)-len(body)], "\n")})
		}
		line += strings.Count(piece, "\n")
		text = text[end:]
	}
	return found
}

// check parses one statement, the body of a function in it, which the parser itself passes over, and looks at the
// options of a changefeed, which it takes as they come.
func check(sql string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the parser crashed: %v", r)
		}
	}()
	statements, err := parser.Parse(sql)
	if err != nil {
		return err
	}
	for _, s := range statements {
		switch statement := s.AST.(type) {
		case *tree.CreateRoutine:
			if err := checkBody(statement); err != nil {
				return fmt.Errorf("in the function: %w", err)
			}
		case *tree.CreateChangefeed:
			if err := checkChangefeed(statement); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkBody(routine *tree.CreateRoutine) error {
	language, body := tree.RoutineLangSQL, ""
	for _, option := range routine.Options {
		switch value := option.(type) {
		case tree.RoutineLanguage:
			language = value
		case tree.RoutineBodyStr:
			body = string(value)
		}
	}
	if language == tree.RoutineLangPLpgSQL {
		_, err := plpgsql.Parse(body)
		return err
	}
	_, err := parser.Parse(body)
	return err
}
