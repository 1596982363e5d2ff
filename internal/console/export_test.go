package console

import "net/http"

// Events streams the progress of job J to somebody who is signed in.
func Events(c *Console, w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("id", "J")
	if err := c.events(w, r, "dpo"); err != nil {
		panic(err)
	}
}

// Told is what the page of an error says.
func Told(err error) string {
	title, detail := told(err)
	return title + ". " + detail
}
