package script

import "github.com/yuin/gopher-lua/ast"

// The names of the guards in a rewritten script: no script can write them.
const (
	guardConcat = "(concat)"
	guardKey    = "(key)"
	guardTable  = "(table)"
)

// bounded rewrites a script so that what it may allocate by one operator is
// counted: concatenations, table constructors and the keys of assignments become
// calls of guards. The chunk gets the guards as its arguments:
//
//	local (concat), (key), (table) = ...
//	return (function(...) script end)()
func bounded(chunk []ast.Stmt) []ast.Stmt {
	w := walker{rewrite: rewriteOperator}
	w.stmts(chunk)
	line, last := 1, 1
	if len(chunk) > 0 {
		line, last = chunk[0].Line(), chunk[len(chunk)-1].LastLine()
	}
	at := func(n ast.PositionHolder) { n.SetLine(line); n.SetLastLine(last) }
	guards := &ast.LocalAssignStmt{Names: []string{guardConcat, guardKey, guardTable}, Exprs: []ast.Expr{&ast.Comma3Expr{}}}
	script := &ast.FunctionExpr{ParList: &ast.ParList{HasVargs: true, Names: []string{}}, Stmts: chunk}
	call := &ast.FuncCallExpr{Func: script}
	result := &ast.ReturnStmt{Exprs: []ast.Expr{call}}
	for _, n := range []ast.PositionHolder{guards, guards.Exprs[0], script, call, result} {
		at(n)
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
	}
	return e
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
	call    func(*ast.FuncCallExpr)
	rewrite func(ast.Expr) ast.Expr
}

func (w *walker) stmts(list []ast.Stmt) {
	for _, s := range list {
		w.stmt(s)
	}
}

func (w *walker) stmt(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.exprs(s.Lhs)
		w.exprs(s.Rhs)
		if w.rewrite != nil {
			for _, e := range s.Lhs {
				if target, ok := e.(*ast.AttrGetExpr); ok && !isName(target.Key) {
					target.Key = guarded(guardKey, target.Key, target.Key)
				}
			}
		}
	case *ast.LocalAssignStmt:
		if len(s.Names) == 1 && len(s.Exprs) == 1 {
			if f, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
				w.stmts(f.Stmts) // it must stay what it is: it may call itself
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
		w.expr(&s.Init)
		w.expr(&s.Limit)
		w.expr(&s.Step)
		w.stmts(s.Stmts)
	case *ast.GenericForStmt:
		w.exprs(s.Exprs)
		w.stmts(s.Stmts)
	case *ast.FuncDefStmt:
		w.stmts(s.Func.Stmts)
	case *ast.ReturnStmt:
		w.exprs(s.Exprs)
	}
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
	switch e := (*e).(type) {
	case nil:
		return
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
		w.stmts(e.Stmts)
	}
	if w.rewrite != nil {
		*e = w.rewrite(*e)
	}
}
