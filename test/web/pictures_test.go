package web_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"dojang/test/web/browser"
)

// TestPictures makes the pictures of the guide, where DOJANG_PICTURES names their folder:
//
//	DOJANG_PICTURES=docs/pictures go test -run TestPictures ./test/web
func TestPictures(t *testing.T) {
	folder := os.Getenv("DOJANG_PICTURES")
	if folder == "" {
		t.Skip("DOJANG_PICTURES names no folder")
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join("../..", folder)
	}
	w := newWorld(t)
	w.fill()
	b := browser.Start(t)
	for _, lang := range []string{"en", "ko"} {
		p := b.Open(browser.Options{Width: 900, Height: 1000, Dark: lang == "ko"})
		p.Go(w.url + "/login?token=" + w.pages.Token())
		for name, path := range map[string]string{"check": "/check?d=example.com&s=cut", "status": "/status?q=4F1A2BE2ED"} {
			p.Go(w.url + path + "&lang=" + lang)
			if err := os.WriteFile(filepath.Join(folder, name+"-"+lang+".png"), small(t, p.Screenshot()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// small is a picture's upper part with few colours: a page has no more.
func small(t *testing.T, data []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	area := from.Bounds()
	area.Max.Y = min(area.Max.Y, 1000)
	count := map[color.Color]int{}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			r, g, b, _ := from.At(x, y).RGBA()
			count[color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 255}]++
		}
	}
	var palette color.Palette
	for len(palette) < 128 && len(count) > 0 {
		var most color.Color
		for c, n := range count {
			if most == nil || n > count[most] {
				most = c
			}
		}
		palette = append(palette, most)
		delete(count, most)
	}
	to := image.NewPaletted(area, palette)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			to.Set(x, y, from.At(x, y))
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, to); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
