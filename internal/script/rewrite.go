package script

import "github.com/yuin/gopher-lua/ast"

// The names of the guards in a rewritten script: no script can write them.
const (
	guardConcat = "(concat)"
	guardKey    = "(key)"
	guardTable  = "(table)"
	guardText   = "(text)"
	guardLength = "(length)"
	guardValues = "(values)"
)

// guardNames are all of them, in the order in which run.guards makes them.
var guardNames = []string{guardConcat, guardKey, guardTable, guardText, guardLength, guardValues}

// bounded rewrites a script so that what it may allocate or do by one operator is
// counted: concatenations, table constructors, keys, comparisons, lengths and
// "..." become calls of guards. The chunk gets the guards as its arguments:
//
//	local (concat), (key), (table), (text), (length), (values) = ...
//	return (function(...) script end)()
func bounded(chunk []ast.Stmt) []ast.Stmt {
	w := walker{rewrite: rewriteOperator}
	w.stmts(chunk)
	line := 1
	if len(chunk) > 0 {
		line = chunk[0].Line()
	}
	guards := &ast.LocalAssignStmt{Names: guardNames, Exprs: []ast.Expr{&ast.Comma3Expr{}}}
	script := &ast.FunctionExpr{ParList: &ast.ParList{HasVargs: true, Names: []string{}}, Stmts: chunk}
	call := &ast.FuncCallExpr{Func: script}
	result := &ast.ReturnStmt{Exprs: []ast.Expr{call}}
	for _, n := range []ast.PositionHolder{guards, guards.Exprs[0], script, call, result} {
		n.SetLine(line)
	}
	return []ast.Stmt{guards, result}
}

func rewriteOperator(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.StringConcatOpExpr:
		// The operator is right-associative; one call takes the whole chain.
		args := []ast.Expr{e.Lhs}
		if rest, ok := e.Rhs.(*ast.FuncCallExpr); ok && isGuard(rest, guardConcat) {
			args = append(args, rest.Args...)
		} else {
			args = append(args, e.Rhs)
		}
		return guarded(guardConcat, e, args...)
	case *ast.TableExpr:
		return guarded(guardTable, e, e)
	case *ast.AttrGetExpr:
		if !isConstant(e.Key) {
			e.Key = guarded(guardText, e.Key, e.Key)
		}
	case *ast.RelationalOpExpr:
		if !isConstant(e.Lhs) && !isConstant(e.Rhs) {
			e.Lhs = guarded(guardText, e.Lhs, e.Lhs)
		}
	case *ast.UnaryLenOpExpr:
		e.Expr = guarded(guardLength, e.Expr, e.Expr)
	case *ast.Comma3Expr:
		call := guarded(guardValues, e, e).(*ast.FuncCallExpr)
		call.AdjustRet = e.AdjustRet
		return call
	}
	return e
}

func isConstant(e ast.Expr) bool {
	switch e.(type) {
	case *ast.StringExpr, *ast.NumberExpr, *ast.NilExpr, *ast.TrueExpr, *ast.FalseExpr:
		return true
	}
	return false
}

func isGuard(e *ast.FuncCallExpr, name string) bool {
	f, ok := e.Func.(*ast.IdentExpr)
	return ok && f.Value == name
}

func guarded(name string, at ast.Expr, args ...ast.Expr) ast.Expr {
	f := &ast.IdentExpr{Value: name}
	call := &ast.FuncCallExpr{Func: f, Args: args, AdjustRet: true}
	for _, n := range []ast.Expr{f, call} {
		n.SetLine(at.Line())
		n.SetLastLine(at.LastLine())
	}
	return call
}

// walker visits a script from the leaves to the root: call sees every call, and
// rewrite may put another expression in the place of one.
type walker struct {
	visit   func(ast.Expr)  // before what is below it
	names   func(...string) // what a statement or function makes local
	call    func(*ast.FuncCallExpr)
	rewrite func(ast.Expr) ast.Expr
	limit   int // of nesting; 0 for none
	nesting int
	tooDeep int // the line that is nested deeper, 0 when none is
}

// maxNesting bounds how deep a script's statements and expressions are nested: the
// compiler calls itself for each level. A chain of "elseif" or ".." is as deep as
// it is long.
const maxNesting = 10_000

// tooDeep is the line at which a script is nested too deep, 0 when it is not.
func tooDeep(chunk []ast.Stmt) int {
	w := walker{limit: maxNesting}
	w.stmts(chunk)
	return w.tooDeep
}

// enter goes one level down and reports whether it may.
func (w *walker) enter(at ast.PositionHolder) bool {
	w.nesting++
	if w.limit == 0 || w.nesting <= w.limit {
		return true
	}
	if w.tooDeep == 0 {
		w.tooDeep = max(at.Line(), 1)
	}
	return false
}

func (w *walker) leave() { w.nesting-- }

func (w *walker) local(names ...string) {
	if w.names != nil {
		w.names(names...)
	}
}

func (w *walker) stmts(list []ast.Stmt) {
	for _, s := range list {
		w.stmt(s)
	}
}

func (w *walker) stmt(s ast.Stmt) {
	defer w.leave()
	if !w.enter(s) {
		return
	}
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.targets(s.Lhs)
		w.exprs(s.Rhs)
	case *ast.LocalAssignStmt:
		w.local(s.Names...)
		if len(s.Names) == 1 && len(s.Exprs) == 1 {
			if f, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
				w.function(f) // it must stay what it is: it may call itself
				return
			}
		}
		w.exprs(s.Exprs)
	case *ast.FuncCallStmt:
		w.expr(&s.Expr)
	case *ast.DoBlockStmt:
		w.stmts(s.Stmts)
	case *ast.WhileStmt:
		w.expr(&s.Condition)
		w.stmts(s.Stmts)
	case *ast.RepeatStmt:
		w.stmts(s.Stmts)
		w.expr(&s.Condition)
	case *ast.IfStmt:
		w.expr(&s.Condition)
		w.stmts(s.Then)
		w.stmts(s.Else)
	case *ast.NumberForStmt:
		w.local(s.Name)
		w.expr(&s.Init)
		w.expr(&s.Limit)
		w.expr(&s.Step)
		w.stmts(s.Stmts)
	case *ast.GenericForStmt:
		w.local(s.Names...)
		w.exprs(s.Exprs)
		w.stmts(s.Stmts)
	case *ast.FuncDefStmt:
		if name, ok := s.Name.Func.(*ast.IdentExpr); ok {
			w.local(name.Value) // or global: the script makes it
		}
		w.function(s.Func)
	case *ast.ReturnStmt:
		w.exprs(s.Exprs)
	}
}

// targets visits what an assignment assigns to.
func (w *walker) targets(list []ast.Expr) {
	for i := range list {
		target, ok := list[i].(*ast.AttrGetExpr)
		if !ok {
			w.expr(&list[i])
			continue
		}
		w.expr(&target.Object)
		w.expr(&target.Key)
		if w.rewrite != nil && !isName(target.Key) {
			target.Key = guarded(guardKey, target.Key, target.Key)
		}
	}
}

func (w *walker) function(f *ast.FunctionExpr) {
	w.local(f.ParList.Names...)
	w.stmts(f.Stmts)
}

func isName(key ast.Expr) bool {
	_, ok := key.(*ast.StringExpr)
	return ok
}

func (w *walker) exprs(list []ast.Expr) {
	for i := range list {
		w.expr(&list[i])
	}
}

func (w *walker) expr(e *ast.Expr) {
	if *e == nil {
		return
	}
	defer w.leave()
	if !w.enter(*e) {
		return
	}
	if w.visit != nil {
		w.visit(*e)
	}
	w.below(*e)
	if w.rewrite != nil {
		*e = w.rewrite(*e)
	}
}

// below visits what an expression is made of.
func (w *walker) below(e ast.Expr) {
	switch e := e.(type) {
	case *ast.AttrGetExpr:
		w.expr(&e.Object)
		w.expr(&e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			w.expr(&f.Key)
			w.expr(&f.Value)
			if w.rewrite != nil && f.Key != nil && !isName(f.Key) {
				f.Key = guarded(guardKey, f.Key, f.Key)
			}
		}
	case *ast.FuncCallExpr:
		w.expr(&e.Func)
		w.expr(&e.Receiver)
		w.exprs(e.Args)
		if w.call != nil {
			w.call(e)
		}
	case *ast.LogicalOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.RelationalOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.StringConcatOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.ArithmeticOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.UnaryMinusOpExpr:
		w.expr(&e.Expr)
	case *ast.UnaryNotOpExpr:
		w.expr(&e.Expr)
	case *ast.UnaryLenOpExpr:
		w.expr(&e.Expr)
	case *ast.FunctionExpr:
		w.function(e)
	}
}
