from scripts.settings import README, with_table


def test_the_readme_has_the_table_of_settings_as_config_py_has_them() -> None:
    text = README.read_text()
    assert text == with_table(text), "run `make settings`"
